"""The English that the offline model knows: words without content, synonyms, cues for arguments, places.

Law: nothing here names a server or a tool; every entry would hold for servers nobody has seen yet.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import tzdata  # type: ignore[import-untyped]

from mcphost.ranking import stem

# Said around a wish without being part of it.
_STOP_WORDS = """
    a about above after again all also am an and any are as at away back be been being below both but by can could
    did do does doing down each every for from go going had has have here i'd i'll i'm if in into is it it's its just
    kindly let like may me might more most my need no not now of off on onto or our out over please really s should so
    some tell than that the their them then there these they this those to too under until up us use using via was we
    were what what's when where which while who will with within without would you your first last next previous
    recent latest current right against than i give get show see want display
    ok okay file's there's inside contents content
    called named titled saying says say everything anything something how much many long big
"""
STOP = frozenset(_STOP_WORDS.split())

# What a person says -> what tools are called. Keys and values are read through `stem`.
_SYNONYMS = """
    ls dir inside: list directory
    cat view print open contents content display: read text file
    show see display: get show read list
    give send: get
    say says: fetch read
    head tail lines: read text file
    mkdir: create directory
    folder: directory
    folders: directories
    mv rename: move file
    cp duplicate: copy file
    rm remove erase drop forget: delete
    touch: create file
    make new start: create
    create: write
    draw plot: make chart
    graph: chart
    save put store write remember: write add create
    file read: text
    change replace modify: edit update
    stat metadata permission modify size big large: info
    created permissions modified: info file
    find look lookup locate grep seek query mention: search find
    search: find
    glob matching: search
    download retrieve curl wget url page website webpage http https: fetch
    load visit: fetch open
    history commits recent latest: log
    log: commits
    stage: add
    unstage: reset
    switch: checkout
    check out: checkout
    uncommitted untracked dirty: status
    changed changes change difference compare: diff
    diff: differences
    picture photo png jpg jpeg gif audio: image media
    image: media
    clock hour: time
    current: now
    time: now current
    now: time current
    several both multiple: multiple
    plus sum total: add sum
    add: sum
    minus less take deduct difference: subtract
    times product multiplied: multiply
    divided over quotient: divide
    repeat parrot: echo
    variables environment: env
    reserve reservation: book
    tally: count
    shorten tldr summary: summarize
    run execute launch begin: run start trigger
    stop end cancel: stop cancel
    question ask: ask
    who whoami: user
    memo: note
    everyone everybody: all
    whole complete entire stored: read
    recursive recursively: tree
    permitted accessible access may: allowed
    structure hierarchy: tree
    turn enable disable: toggle
    today date day: now
    go: checkout
    cached: staged
    connect link relate: create relation
    bottom: tail
"""

# Words that announce a value -> words in names of the arguments that take it.
_CUES = (
    "title name label called titled named subject heading",
    "text content body message saying says say reading contents description words",
    "from source start since origin",
    "to into target destination onto until as",
    "query search about for matching mention mentioning contain containing containing keyword term",
    "exclude without except ignoring skip excluding",
    "limit max maximum count most top last first latest recent only number n up",
    "second seconds duration takes lasting during",
    "base off starting from",
    "branch checkout",
    "revision commit rev sha",
    "type kind",
    "id number no",
    "old replace change from",
    "new with by to into",
    "head first top start",
    "tail last bottom end",
    "length character characters long words",
)

# Places without a zone of their own name.
_PLACES = {
    "America/New_York": "Washington|Boston|Philadelphia|Miami|Atlanta|NYC|EST|EDT|ET",
    "America/Los_Angeles": "San Francisco|Seattle|Las Vegas|San Diego|Portland|LA|California|PST|PDT|PT",
    "America/Chicago": "Dallas|Houston|Austin|Texas|CST|CDT",
    "America/Denver": "MST|MDT",
    "America/Toronto": "Montreal|Ottawa",
    "America/Sao_Paulo": "Rio de Janeiro|Brasilia",
    "Europe/London": "Manchester|Edinburgh|England|Scotland|UK|BST",
    "Europe/Berlin": "Munich|Hamburg|Frankfurt|Cologne|Germany|CEST",
    "Europe/Paris": "Lyon|Marseille|France",
    "Europe/Madrid": "Barcelona|Spain",
    "Europe/Rome": "Milan|Naples|Italy",
    "Europe/Zurich": "Geneva|Basel|Bern|Switzerland",
    "Europe/Kiev": "Kyiv|Ukraine",
    "Asia/Kolkata": "Mumbai|Delhi|New Delhi|Bangalore|Bengaluru|Chennai|India|IST",
    "Asia/Shanghai": "Beijing|Shenzhen|China",
    "Asia/Tokyo": "Osaka|Kyoto|JST",
    "Asia/Dubai": "Abu Dhabi",
    "Asia/Jerusalem": "Tel Aviv",
    "Australia/Sydney": "Canberra",
}


@cache
def synonyms() -> dict[str, frozenset[str]]:
    """Stem of a said word -> stems of the words that tools use for it."""
    table: dict[str, set[str]] = {}
    for line in _SYNONYMS.strip().splitlines():
        said, _, used = line.partition(":")
        for word in said.split():
            table.setdefault(stem(word), set()).update(map(stem, used.split()))
    return {word: frozenset(used) for word, used in table.items()}


@cache
def cues(word: str) -> frozenset[str]:
    """Stems that announce a value for an argument in whose name the stem `word` stands."""
    groups = (frozenset(map(stem, line.split())) for line in _CUES)
    return frozenset().union(*(group for group in groups if word in group)) - {word}


@cache
def places() -> dict[str, str]:
    """Lower-case name of a zone, city or country -> IANA zone."""
    known: dict[str, str] = {}
    for zone in Path(tzdata.__file__).with_name("zones").read_text("utf-8").split():
        area, _, city = zone.partition("/")
        known[zone.lower()] = zone
        if city and "/" not in city and area not in ("Etc", "US"):
            known.setdefault(city.replace("_", " ").lower(), zone)
    for zone, names in _PLACES.items():
        known.update(dict.fromkeys(names.lower().split("|"), zone))
    return known
