from tests.docs.commands import PAGE, page


def test_the_commands_page_is_what_help_prints() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.docs.commands"
