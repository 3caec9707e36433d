"""A Redis Cluster of three nodes, on the tests' engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from redis.crc import key_slot

from tests.support import servers
from tests.support.nodes import Node, free_ports

SLOTS = 16384
NODES = 3


class Cluster:
    """Nodes by number; the slots are theirs in equal parts, in order."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self._holders: dict[int, int] = {}

    @property
    def url(self) -> str:
        """The URL of the first node: clients find the others."""
        return self.nodes[0].url

    def holder(self, slug: str) -> Node:
        """The node that holds a tenant."""
        slot = _slot(slug)
        return self.nodes[self._holders.get(slot, next(n for n in range(NODES) if slot in _slots(n)))]

    def whole(self) -> None:
        """Returns when every node serves, as far as the others know."""
        for node in self.nodes:
            servers.wait_for(lambda node=node: _is_whole(node), "a whole cluster")

    def move(self, slug: str, to: Node) -> None:
        """Moves a tenant to another node, key by key, as resharding does; clients see ASK, TRYAGAIN and MOVED."""
        slot, source = _slot(slug), self.holder(slug)
        names = {node: node("CLUSTER", "MYID") for node in self.nodes}
        to("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        source("CLUSTER", "SETSLOT", slot, "MIGRATING", names[to])
        while keys := source("CLUSTER", "GETKEYSINSLOT", slot, 3):
            source("MIGRATE", "127.0.0.1", to.port, "", 0, 10_000, "KEYS", *keys)
        for node in (to, source, *self.nodes):
            node("CLUSTER", "SETSLOT", slot, "NODE", names[to])
        self._holders[slot] = self.nodes.index(to)

    def slug_on(self, number: int, name: str) -> str:
        """A slug that begins with `name` and lies on that node."""
        return next(f"{name}-{n}" for n in range(1000) if self.holder(f"{name}-{n}") is self.nodes[number])


def _slot(slug: str) -> int:
    return int(key_slot(f"{{{slug}}}".encode()))


def _slots(number: int) -> range:
    return range(number * SLOTS // NODES, (number + 1) * SLOTS // NODES)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Three nodes that know each other and serve every slot."""
    with servers.scratch_dir() as home:
        nodes = []
        try:
            for number in range(NODES):
                port, bus = free_ports(2)
                options = {"cluster_enabled": "yes", "cluster_port": bus, "cluster_node_timeout": 15000}
                nodes.append(Node(home / str(number), port=port, **options))
                nodes[-1].begin()
            _join(nodes)
            made = Cluster(nodes)
            made.whole()
            yield made
        finally:
            for node in nodes:
                node.kill()


def _join(nodes: list[Node]) -> None:
    for number, node in enumerate(nodes):
        servers.wait_for(node.answers, "an answer of a node")
        node("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        slots = _slots(number)
        node("CLUSTER", "ADDSLOTSRANGE", slots.start, slots.stop - 1)
    for node in nodes[1:]:
        node("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].directives["cluster-port"])


def _is_whole(node: Node) -> bool:
    told = node("CLUSTER", "INFO").decode()
    return "cluster_state:ok" in told and f"cluster_slots_ok:{SLOTS}" in told and f"cluster_size:{NODES}" in told
