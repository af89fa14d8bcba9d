"""What servers ask of us while a call is open at them: sampling and elicitation, answered for one chat."""

from mcphost.requests.caller import Requests

__all__ = ["Requests"]
