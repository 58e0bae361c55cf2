"""Bring the task slots of a launch together, where the launcher has no exchange of its own.

Each slot keeps one connection of the control channel to the driver, on which it sends TakeSlot once; then, for each
round of the exchange, ExchangeText until all have sent theirs, and ReadText for the text of every slot; and LeaveSlot
when its agent has ended. Each is answered by a SlotReply. A connection that closes without a LeaveSlot is an agent that
died.
"""

import dataclasses
import threading
import time

from sparkcv.channel import messages
from sparkcv.channel.client import Client
from sparkcv.channel.messages import ExchangeText, LeaveSlot, Message, ReadText, Request, SlotReply, TakeSlot
from sparkcv.errors import ChannelError, ClusterError
from sparkcv.launchers import Body, TaskSlot

__all__ = ["Rendezvous", "RendezvousOrder", "join"]

_POLL_S = 0.1


@dataclasses.dataclass(frozen=True)
class RendezvousOrder:
    """What the driver sends to every slot, inside Spark's task data: where it listens, and what to run."""

    driver: tuple[str, int]
    secret: bytes = dataclasses.field(repr=False)
    body: Body


class Rendezvous:
    """The driver's side: who is in which slot, and their texts. ``received`` and ``closed`` are for channel.Server.

    ``fault`` is "", or what first went wrong in a slot, whose index is then ``faulty_slot``.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._count = count
        self._slots: dict[int, int] = {}  # by connection
        self._tasks: dict[int, str] = {}  # of each slot that was ever taken
        self._texts: list[dict[int, str]] = []  # by round of the exchange
        self._left: set[int] = set()
        self.fault = ""
        self.faulty_slot: int | None = None

    def received(self, peer: int, message: Message) -> SlotReply:
        """Answer one message of a slot; never blocks."""
        with self._lock:
            if isinstance(message, TakeSlot):
                return self._take(peer, message)
            slot = self._slots.get(peer)
            if slot is None:
                return SlotReply("this connection has taken no slot")
            match message:
                case LeaveSlot(error):
                    self._left.add(slot)
                    if error:
                        self._note_fault(slot, error)
                    return SlotReply()
                case ExchangeText(number, text):
                    return self._exchange(slot, number, text)
                case ReadText(number, index):
                    return self._read(number, index)
                case _:
                    return SlotReply(f"expected a message of a slot, got a {type(message).__name__}")

    def closed(self, peer: int) -> None:
        """Note that a connection is gone; never blocks."""
        with self._lock:
            slot = self._slots.get(peer)
            if slot is not None and slot not in self._left:
                self._note_fault(slot, "its process is gone")

    def all_left(self) -> bool:
        """Tell whether every slot has been taken and left."""
        with self._lock:
            return len(self._left) == self._count

    def _take(self, peer: int, message: TakeSlot) -> SlotReply:
        slot = message.index
        if slot >= self._count:
            return SlotReply(f"there is no slot {slot} among {self._count}")
        if slot in self._tasks:
            # Spark tries a failed task again, by itself and alone: what it ran is one of several that began together.
            return SlotReply(f"slot {slot} was taken by task {self._tasks[slot]} already")
        self._tasks[slot] = message.task
        self._slots[peer] = slot
        return SlotReply()

    def _exchange(self, slot: int, number: int, text: str) -> SlotReply:
        if number > len(self._texts):
            return SlotReply("no such round")
        if number == len(self._texts):
            self._texts.append({})
        self._texts[number][slot] = text
        return SlotReply(num_texts=len(self._texts[number]))

    def _read(self, number: int, index: int) -> SlotReply:
        texts = self._texts[number] if number < len(self._texts) else {}
        if len(texts) < self._count or index not in texts:
            return SlotReply("no such text, or not yet")
        return SlotReply(text=texts[index], num_texts=len(texts))

    def _note_fault(self, slot: int, error: str) -> None:
        if self.faulty_slot is None:
            self.faulty_slot, self.fault = slot, error


def join(order: RendezvousOrder, index: int, count: int, task: str, scratch_root: str, gpus: tuple[str, ...]) -> None:
    """Take a slot, run the body in it, and tell the driver how it ended.

    Raises ClusterError if the slot is taken, and what the body raises.
    """
    with Client(order.driver, order.secret) as client:
        reply = client.request(TakeSlot(index, task))
        if reply.refusal:
            raise ClusterError(reply.refusal)
        slot = TaskSlot(index, client.local_host, task, scratch_root, _Exchange(client, count), gpus)
        try:
            order.body(slot)
        except BaseException as err:
            client.request(LeaveSlot(f"{type(err).__name__}: {err}"[: messages.MAX_SENTENCE_CHARS]))
            raise
        client.request(LeaveSlot(""))


class _Exchange:
    """Sends a text to all slots and returns everybody's, by index."""

    def __init__(self, client: Client, count: int) -> None:
        self._client, self._count, self._round = client, count, 0

    def __call__(self, text: str) -> list[str]:
        while self._ask(ExchangeText(self._round, text)).num_texts < self._count:
            time.sleep(_POLL_S)  # the driver only answers: there is nothing to wait on
        texts = [self._ask(ReadText(self._round, index)).text for index in range(self._count)]
        self._round += 1
        return texts

    def _ask(self, message: Request[SlotReply]) -> SlotReply:
        reply = self._client.request(message)
        if reply.refusal:
            raise ChannelError(reply.refusal)
        return reply
