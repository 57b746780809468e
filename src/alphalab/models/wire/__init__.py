"""What the clients of all providers share: bodies that are encoded once, server-sent events, what went wrong."""

from alphalab.models.wire.body import Conversations, encode_json
from alphalab.models.wire.failures import failure_of
from alphalab.models.wire.sse import EventLines
from alphalab.models.wire.transport import Endpoint, Transport

__all__ = ["Conversations", "Endpoint", "EventLines", "Transport", "encode_json", "failure_of"]
