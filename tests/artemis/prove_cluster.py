"""A cluster of two active nodes: which of them connections go to, and where they go when one is killed.

The kernel says where a connection leads: the sockets of the program, by the port at their other end.
"""
import os
import pathlib
import sys
import time

from pair import Relay, Talker, Two
from proof import Proof

COLUMNS = ["URL", "options", "connections", "at node 0", "at node 1", "after kill -9 of node 0, at node 1", "sessions recreated",
           "sends answered"]
LOGIN = "user=admin&password=admin&routeCheck=create"
POLICY = "connectionLoadBalancingPolicyClassName"
PATIENCE = 30


def remote_ports(pid):
    """Of the established connections of a process."""
    inodes = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = []
    for line in open("/proc/net/tcp").readlines()[1:]:
        fields = line.split()
        if fields[9] in inodes and fields[3] == "01":
            ports.append(int(fields[2].rpartition(":")[2], 16))
    return ports


class Members:
    def __init__(self, proof, url, connections):
        self.program = Talker([proof.program("prove_cluster"), "--url", url, "--queue", "cluster", "--connections", connections])
        if not self.program.wait(lambda said: "open" in said, 60):
            raise RuntimeError(f"the program ended with {self.program.process.poll()}")

    def at(self, port):
        return remote_ports(self.program.process.pid).count(port)

    def come_to(self, port, count):
        end = time.monotonic() + PATIENCE
        while self.at(port) != count and time.monotonic() < end:
            time.sleep(0.05)
        return self.at(port)

    def send(self):
        self.program.said.pop("sent", None)
        self.program.process.stdin.write("\n")
        self.program.process.stdin.flush()
        self.program.wait(lambda said: "sent" in said, 60)
        return self.program.said

    def end(self):
        return self.program.end(60)


def spread(proof, ports, policy, connections):
    url = f"(tcp://127.0.0.1:{ports[0]},tcp://127.0.0.1:{ports[1]})?{LOGIN}&{POLICY}={policy}"
    members = Members(proof, url, connections)
    counts = [members.at(port) for port in ports]
    answered = members.send().get("sent", 0)
    status = members.end()
    proof.row("both", policy, connections, *counts, "", "", answered)
    proof.check(status == 0 and sum(counts) == answered == connections, f"{policy}: {counts}, {answered}, {status}")
    half = connections // 2
    chance = half - 2.5 * connections ** 0.5  # five times the standard deviation away
    good = {"round-robin": counts == [half, half], "first-element": counts == [connections, 0],
            "random": min(counts) >= chance, "random-sticky": min(counts) == 0}[policy]
    proof.check(good, f"{policy}: {counts}")


def killed(proof, cluster, name, where, options, connections, ports, at_first):
    """ports: where the two nodes are reached; at_first: how many are at node 0 before it is killed."""
    url = f"{where}?{LOGIN}&{options}"
    members = Members(proof, url, connections)
    counts = [members.at(port) for port in ports]
    before = members.send().get("sent", 0)
    cluster.run("kill", "node0")
    came = members.come_to(ports[1], connections)
    said = members.send()
    status = members.end()
    cluster.run("start", "node0")
    cluster.run("wait", "node0", "joined")
    proof.row(name, options.partition("&addressMap")[0], connections, *counts, came, said.get("elsewhere", 0),
              said.get("sent", 0))
    proof.check(counts == [at_first, connections - at_first] and before == connections, f"{name}: {counts}, {before}")
    proof.check(came == connections, f"{name}: {came} came to the other node")
    proof.check(said.get("elsewhere") == at_first and said.get("sent") == connections and status == 0,
                f"{name}: {said}, {status}")


def main():
    proof = Proof("cluster", "A cluster of two nodes: spread over them, and moved on when one is killed", COLUMNS)
    count = proof.pick(40, 100)
    away = "reconnectAttempts=0&failoverAttempts=-1&retryInterval=100&confirmationWindowSize=65536"
    with Two("cluster") as cluster:
        ports = [cluster.port, cluster.run("status", "node1")["port"]]
        for policy in ("round-robin", "random", "random-sticky", "first-element"):
            spread(proof, ports, policy, count)
        node0 = f"tcp://127.0.0.1:{ports[0]}"
        killed(proof, cluster, "node 0", node0, away, count, ports, count)
        if not proof.small:
            both = f"({node0},tcp://127.0.0.1:{ports[1]})"
            killed(proof, cluster, "both", both, "reliable=true", count, ports, count // 2)
            with Relay(proof, ports[0]) as first, Relay(proof, ports[1]) as second:
                mapped = ",".join(f"127.0.0.1:{port}=127.0.0.1:{relay.port}" for port, relay in zip(ports, (first, second)))
                killed(proof, cluster, "node 0 by an address that it does not know; addressMap", f"tcp://127.0.0.1:{first.port}",
                       f"{away}&addressMap={mapped}", count, [first.port, second.port], count)
    proof.note("Broker 2.44.0. All connections of a row are made by one process, one after the other. The other node is known from "
               "the topology that the broker tells, unless the URL has both.")
    sys.exit(proof.finish())


main()
