#!/usr/bin/env python3
"""A real Apache Artemis broker for tests: create, start, kill, restart, clean up.

Command line (every command prints one JSON line, or plain text for `port` and `log`):

    broker.py create DIR [--port P] [--version V] [--slow-disk MS] [--big] [--setting XPATH=VALUE]
    broker.py start DIR        waits until the broker serves; {"port": P, "pid": N}
    broker.py stop DIR         asks it to end, kills it after the deadline
    broker.py kill DIR         kill -9
    broker.py restart DIR [--kill]
    broker.py status|port|log|cleanup DIR
    broker.py up DIR [create's options]    create if needed, and start
    broker.py pair DIR [--backup-version V] [create's options]
                               DIR/primary and DIR/backup, a replicated pair: started and in sync
    broker.py cluster DIR [create's options]
                               DIR/node0 and DIR/node1, both active and connected to each other
    broker.py wait DIR active|synced|joined [--seconds N]
                               until the broker of DIR says that it is that, see MARKS
    broker.py run [create's options] -- COMMAND...
                               a fresh broker for one command, which finds its port in
                               REATTACH_BROKER_PORT; gone afterwards; exit status of the command
    broker.py home [--version V]           directory of the unpacked distribution
    broker.py java [--version V]           compiles the Java programs, prints the class path

The distribution comes from Maven Central through `mvn` and is unpacked once into
${REATTACH_CACHE:-$HOME/.cache/reattach}. Users: admin/admin may do everything; limited/limited
everything except management and sending to addresses under "forbidden.". `cleanup` also takes the
directory of a pair or a cluster.
"""

import argparse
import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ElementTree

DEFAULT_VERSION = "2.44.0"
GROUP, ARTIFACT = "org.apache.activemq", "apache-artemis"
# What the log says about the role that a broker has from then on.
MARKS = {"AMQ221007": "active", "AMQ221109": "backup", "AMQ221024": "synced", "AMQ221002": "stopped"}
JOINED = "AMQ221027"  # a bridge to another node of the cluster is up
GROUP_MEMBERS = ("primary", "backup", "node0", "node1")
START_SECONDS, STOP_SECONDS, DOWNLOAD_SECONDS = 300, 30, 900  # a start takes a few, but not on a busy machine
PAIR_SECONDS = 600  # copying the other one's journal is part of a start
JAVA_SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "java")
CORE = "{urn:activemq:core}"


class BrokerError(Exception):
    """Something that the user of this program can act on; its text is the whole story."""


# ---- the distribution and the cache ----

def cache_directory():
    path = os.environ.get("REATTACH_CACHE") or os.path.expanduser("~/.cache/reattach")
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def cache_lock(name):
    """One at a time per thing made, so that two runs do not make it twice."""
    with open(os.path.join(cache_directory(), name + ".lock"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def local_archive(version):
    repository = os.environ.get("MAVEN_REPOSITORY") or os.path.expanduser("~/.m2/repository")
    return os.path.join(repository, *GROUP.split("."), ARTIFACT, version,
                        "%s-%s-bin.tar.gz" % (ARTIFACT, version))


def download(version):
    coordinates = "%s:%s:%s:tar.gz:bin" % (GROUP, ARTIFACT, version)
    path = local_archive(version)
    if os.path.exists(path):
        return path
    command = ["mvn", "-q", "-B", "dependency:get", "-Dartifact=" + coordinates,
               "-Dtransitive=false"]
    wanted = "the Artemis distribution %s from Maven Central" % coordinates
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=DOWNLOAD_SECONDS)
    except FileNotFoundError:
        raise BrokerError("wanted %s, but there is no mvn command" % wanted)
    except subprocess.TimeoutExpired:
        raise BrokerError("wanted %s, but mvn did not end within %d s" % (wanted, DOWNLOAD_SECONDS))
    if done.returncode != 0 or not os.path.exists(path):
        reason = "\n".join(done.stdout.strip().splitlines()[:3])
        raise BrokerError("wanted %s, but mvn failed:\n%s" % (wanted, reason))
    return path


def home(version=DEFAULT_VERSION):
    """The unpacked distribution; made once, and renamed into place only when it is whole."""
    name = "%s-%s" % (ARTIFACT, version)
    final = os.path.join(cache_directory(), name)
    if os.path.isdir(final):
        return final
    with cache_lock(name):
        if os.path.isdir(final):
            return final
        archive = download(version)
        scratch = tempfile.mkdtemp(prefix=name + ".", dir=cache_directory())
        try:
            with tarfile.open(archive) as tar:
                if hasattr(tarfile, "data_filter"):
                    tar.extractall(scratch, filter="data")
                else:
                    tar.extractall(scratch)
            os.rename(os.path.join(scratch, name), final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return final


def java_class_path(version=DEFAULT_VERSION):
    """Compiles java/*.java once per content and version. Returns the class path."""
    library = os.path.join(home(version), "lib")
    sources = sorted(os.path.join(JAVA_SOURCES, n) for n in os.listdir(JAVA_SOURCES)
                     if n.endswith(".java"))
    digest = hashlib.sha256(version.encode())
    for source in sources:
        with open(source, "rb") as handle:
            digest.update(handle.read() + b"\0")
    name = "java-" + digest.hexdigest()[:16]
    final = os.path.join(cache_directory(), name)
    jars = os.path.join(library, "*")
    if not os.path.isdir(final):
        with cache_lock(name):
            if not os.path.isdir(final):
                compile_java(sources, jars, final)
    return final + ":" + jars


def compile_java(sources, jars, final):
    scratch = tempfile.mkdtemp(prefix="java.", dir=cache_directory())
    command = ["javac", "-nowarn", "-proc:none", "-encoding", "UTF-8",
               "-cp", jars, "-d", scratch] + sources
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300)
    if done.returncode != 0:
        shutil.rmtree(scratch, ignore_errors=True)
        raise BrokerError("javac failed:\n" + done.stdout)
    os.rename(scratch, final)


# ---- creating an instance ----

PERMISSIONS = ("createNonDurableQueue", "deleteNonDurableQueue", "createDurableQueue",
               "deleteDurableQueue", "createAddress", "deleteAddress", "consume", "browse",
               "send", "manage")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def etc(directory, name):
    return os.path.join(directory, "etc", name)


def write_users(directory):
    with open(etc(directory, "artemis-users.properties"), "w") as out:
        out.write("admin = admin\nlimited = limited\n")
    with open(etc(directory, "artemis-roles.properties"), "w") as out:
        out.write("amq = admin\nlimited = limited\n")


def security_setting(parent, match, denied_to_limited):
    setting = ElementTree.SubElement(parent, CORE + "security-setting", match=match)
    for permission in PERMISSIONS:
        roles = "amq" if permission in denied_to_limited else "amq,limited"
        ElementTree.SubElement(setting, CORE + "permission", type=permission, roles=roles)


def element(core, path):
    """Finds or makes the element at a path such as `journal-type` or `address-settings/address-setting[@match='#']/...`."""
    at = core
    for name in path.split("/"):
        found = at.find(CORE + name)
        at = found if found is not None else ElementTree.SubElement(at, CORE + name)
    return at


def write_ha_policy(core, version):
    """The one of the generated policy, but a primary that comes back takes over, and a backup lets it. On a busy machine the
    other one may take longer than 30 s to say that it has everything; then a broker that has been confirming work ends as it
    does when its disk fails, and the other goes on without that work."""
    for policy in core.iterfind("%sha-policy/%sreplication/*" % (CORE, CORE)):
        policy.clear()
        ElementTree.SubElement(policy, CORE + "initial-replication-sync-timeout").text = str(PAIR_SECONDS * 1000)
        if policy.tag in (CORE + "backup", CORE + "slave"):
            ElementTree.SubElement(policy, CORE + "allow-failback").text = "true"
            # With the default of 2 a backup ends for good at its third fail-back.
            ElementTree.SubElement(policy, CORE + "max-saved-replicated-journals-size").text = "-1"
        else:
            name = "check-for-live-server" if older(version, 2, 33) else "check-for-active-server"
            ElementTree.SubElement(policy, CORE + name).text = "true"


def write_broker_xml(directory, version, slow_disk_ms, settings):
    path = etc(directory, "broker.xml")
    ElementTree.register_namespace("", "urn:activemq:core")
    tree = ElementTree.parse(path)
    core = tree.getroot().find(CORE + "core")
    security = core.find(CORE + "security-settings")
    security.clear()
    security_setting(security, "#", ("manage",))
    # Only the best match counts, settings are not merged: so this one repeats everything.
    security_setting(security, "forbidden.#", ("manage", "send"))
    write_ha_policy(core, version)
    element(core, "max-disk-usage").text = "100"  # a full build machine must not block senders
    if slow_disk_ms:
        element(core, "journal-buffer-timeout").text = str(int(slow_disk_ms * 1000000))
    for setting in settings:
        name, _, value = setting.rpartition("=")
        element(core, name).text = value
    tree.write(path, xml_declaration=True, encoding="unicode")


def write_memory(directory, big):
    path = etc(directory, "artemis.profile")
    with open(path) as handle:
        text = handle.read()
    text = re.sub(r"-Xms\w+ -Xmx\w+", "-Xms128M -Xmx1G" if big else "-Xms128M -Xmx512M", text)
    with open(path, "w") as out:
        out.write(text)


def older(version, *than):
    return tuple(int(part) for part in version.split(".")[:len(than)]) < than


def cluster_words(version, role, peer):
    """What `artemis create` needs for a role: "" (alone), node, primary, backup."""
    if not role:
        return []
    words = ["--clustered", "--staticCluster", "tcp://127.0.0.1:%d" % peer,
             "--cluster-user", "cluster", "--cluster-password", "cluster"]
    if role != "node":
        words.append("--replicated")
    if role == "backup":
        words.append("--slave" if older(version, 2, 33) else "--backup")
    return words


def create(directory, port=0, version=DEFAULT_VERSION, slow_disk_ms=0, big=False, settings=(), role="", peer=0):
    directory = os.path.abspath(directory)
    if os.path.exists(etc(directory, "broker.xml")):
        raise BrokerError("%s already holds a broker" % directory)
    port = port or free_port()
    command = [os.path.join(home(version), "bin", "artemis"), "create", directory,
               "--user", "admin", "--password", "admin", "--require-login", "--no-autotune",
               "--silent", "--name", "reattach-test", "--host", "127.0.0.1",
               "--default-port", str(port), "--no-web", "--nio", "--no-amqp-acceptor",
               "--no-stomp-acceptor", "--no-mqtt-acceptor", "--no-hornetq-acceptor",
               *cluster_words(version, role, peer)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    if done.returncode != 0 or not os.path.exists(etc(directory, "broker.xml")):
        raise BrokerError("artemis create failed:\n" + done.stdout)
    write_users(directory)
    write_broker_xml(directory, version, slow_disk_ms, settings)
    write_memory(directory, big)
    save(directory, {"port": port, "version": version, "role": role})
    return {"directory": directory, "port": port, "version": version}


# ---- the process ----

def state_path(directory):
    return os.path.join(directory, "reattach-broker.json")


def save(directory, state):
    scratch = state_path(directory) + ".new"
    with open(scratch, "w") as out:
        json.dump(state, out)
    os.replace(scratch, state_path(directory))


def load(directory):
    try:
        with open(state_path(directory)) as handle:
            return json.load(handle)
    except FileNotFoundError:
        raise BrokerError("%s holds no broker made by this program" % directory)


def start_time(pid):
    """A pid with its start time names one process for ever; a pid alone may be reused."""
    try:
        with open("/proc/%d/stat" % pid) as handle:
            fields = handle.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # a killed process has its ports until the last of its threads has ended, and the first one may go before the others
    over = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if over else fields[19]


def running_pid(state):
    pid = state.get("pid")
    if pid and start_time(pid) is not None and start_time(pid) == state.get("started"):
        return pid
    return None


def log_path(directory):
    return os.path.join(directory, "log", "reattach-run.log")


def log_tail(directory, lines=15):
    with contextlib.suppress(FileNotFoundError), open(log_path(directory), errors="replace") as log:
        return "".join(log.readlines()[-lines:])
    return ""


def role_of(text):
    """By the last thing that a broker said about itself."""
    at, role = max(((text.rfind(mark), role) for mark, role in MARKS.items()))
    return role if at >= 0 else ""


def wait(directory, wanted, seconds=PAIR_SECONDS):
    """Until the running broker says that it is one of these: active, backup, synced (a backup that has everything), joined (to
    the other node of its cluster)."""
    wanted = (wanted,) if isinstance(wanted, str) else wanted
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = load(directory)
        with open(log_path(directory), errors="replace") as log:
            log.seek(state["offset"])
            text = log.read()
        role = role_of(text)
        if role in wanted or ("joined" in wanted and role == "active" and JOINED in text):
            return {"role": role, "port": state["port"], "pid": state["pid"]}
        if running_pid(state) is None:
            raise BrokerError("the broker ended before it was %s:\n%s" % (wanted, log_tail(directory)))
        time.sleep(0.05)
    raise BrokerError("the broker was not %s after %d s:\n%s" % (wanted, seconds, log_tail(directory)))


def start(directory, seconds=0):
    """Starts the broker and waits until it serves, a backup until it waits for its turn. One that runs already is left as
    it is."""
    directory = os.path.abspath(directory)
    state = load(directory)
    pid = running_pid(state)
    if pid:
        return {"port": state["port"], "pid": pid}
    # The launcher script would leave the process behind on kill -9 of its shell; it ends in exec,
    # so the process we start is the Java process itself.
    with open(log_path(directory), "a") as log:
        state["offset"] = log.tell()
        process = subprocess.Popen([os.path.join(directory, "bin", "artemis"), "run"],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True, cwd=directory)
    state["pid"], state["started"] = process.pid, start_time(process.pid)
    save(directory, state)
    try:
        role = state.get("role")
        wait(directory, ("backup", "synced") if role == "backup" else "active",
             seconds or (PAIR_SECONDS if role else START_SECONDS))
    except BaseException:
        kill(directory)
        raise
    return {"port": state["port"], "pid": process.pid}


def reap(pid):
    """When the broker is our own child it stays a zombie until somebody asks for its status."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def wait_gone(state, seconds):
    end = time.monotonic() + seconds
    while running_pid(state):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    reap(state["pid"])
    return True


def signal_and_wait(directory, number, seconds):
    state = load(directory)
    pid = running_pid(state)
    if not pid:
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return wait_gone(state, seconds)


def kill(directory):
    if not signal_and_wait(directory, signal.SIGKILL, 10):
        raise BrokerError("the broker survived kill -9 for 10 s")
    return {"stopped": True, "graceful": False}


def stop(directory, seconds=STOP_SECONDS):
    if signal_and_wait(directory, signal.SIGTERM, seconds):
        return {"stopped": True, "graceful": True}
    return kill(directory)


def restart(directory, hard=False):
    if hard:
        kill(directory)
    else:
        stop(directory)
    return start(directory)


def status(directory):
    state = load(directory)
    pid = running_pid(state)
    return {"running": pid is not None, "pid": pid, "port": state["port"],
            "version": state["version"]}


def cleanup(directory):
    """Ends the broker and removes the directory. Nothing to do is fine."""
    members = [path for path in members_of(directory) if os.path.exists(state_path(path))]
    for member in members:
        cleanup(member)
    if members:
        shutil.rmtree(directory, ignore_errors=True)
        return {"clean": not os.path.exists(directory)}
    with contextlib.suppress(BrokerError):
        kill(directory)
    if os.path.exists(state_path(directory)):
        shutil.rmtree(directory, ignore_errors=True)
    return {"clean": not os.path.exists(state_path(directory))}


# ---- two brokers ----

def members_of(directory):
    return [os.path.join(directory, name) for name in GROUP_MEMBERS]


def start_two(directory, names, roles, versions, port, options):
    """Side by side, which takes half the time. Returns their ports."""
    ports = [port or free_port()]
    ports.append(port + 1 if port else free_port())
    for version in set(versions):
        home(version)

    def make(i):
        path = os.path.join(directory, names[i])
        create(path, ports[i], versions[i], role=roles[i], peer=ports[1 - i], **options)
        start(path)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(make, (0, 1)))
    return ports


def pair(directory, port=0, version=DEFAULT_VERSION, backup_version=None, **options):
    """A primary at `port` and its backup one above. Returns when the backup has everything."""
    names = ("primary", "backup")
    ports = start_two(directory, names, names, (version, backup_version or version), port, options)
    wait(os.path.join(directory, "backup"), "synced")
    return {"port": ports[0], "other_port": ports[1]}


def cluster(directory, port=0, version=DEFAULT_VERSION, **options):
    """Two active nodes, at `port` and one above. Returns when they know each other."""
    names = ("node0", "node1")
    ports = start_two(directory, names, ("node", "node"), (version, version), port, options)
    for name in names:
        wait(os.path.join(directory, name), "joined")
    return {"port": ports[0], "other_port": ports[1]}


# ---- command line ----

def creation_options(parser):
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default=DEFAULT_VERSION)
    parser.add_argument("--slow-disk", type=float, default=0, metavar="MS",
                        help="a sync of the journal takes up to this long")
    parser.add_argument("--big", action="store_true", help="1 GB of heap instead of 512 MB")
    parser.add_argument("--setting", action="append", default=[], metavar="PATH=VALUE",
                        help="sets an element under <core> of broker.xml")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create", "up", "start", "stop", "kill", "restart", "status", "port", "log",
                 "cleanup", "pair", "cluster", "wait"):
        command = commands.add_parser(name)
        command.add_argument("directory")
        if name in ("create", "up", "pair", "cluster"):
            creation_options(command)
        if name == "pair":
            command.add_argument("--backup-version")
        if name == "wait":
            command.add_argument("role", choices=sorted({*MARKS.values(), "joined"} - {"stopped"}))
            command.add_argument("--seconds", type=float, default=PAIR_SECONDS)
        if name == "restart":
            command.add_argument("--kill", action="store_true")
    run_parser = commands.add_parser("run")
    creation_options(run_parser)
    run_parser.add_argument("words", nargs="+", metavar="COMMAND")
    for name in ("home", "java"):
        commands.add_parser(name).add_argument("--version", default=DEFAULT_VERSION)
    return parser.parse_args()


def creation(a):
    return {"port": a.port, "version": a.version, "slow_disk_ms": a.slow_disk, "big": a.big, "settings": a.setting}


def create_from(a):
    return create(a.directory, **creation(a))


def up(a):
    if not os.path.exists(state_path(a.directory)):
        create_from(a)
    return start(a.directory)


def run(a):
    scratch = tempfile.mkdtemp(prefix="reattach-broker-")
    a.directory = os.path.join(scratch, "broker")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` is reached
    try:
        started = up(a)
        environment = dict(os.environ, REATTACH_BROKER_PORT=str(started["port"]))
        sys.exit(subprocess.run(a.words, env=environment).returncode & 255)
    finally:
        cleanup(a.directory)
        shutil.rmtree(scratch, ignore_errors=True)


def log_text(directory):
    with open(log_path(directory), errors="replace") as log:
        return log.read().rstrip("\n")


ACTIONS = {
    "create": create_from,
    "up": up,
    "pair": lambda a: pair(a.directory, backup_version=a.backup_version, **creation(a)),
    "cluster": lambda a: cluster(a.directory, **creation(a)),
    "wait": lambda a: wait(a.directory, a.role, a.seconds),
    "run": run,
    "start": lambda a: start(a.directory),
    "stop": lambda a: stop(a.directory),
    "kill": lambda a: kill(a.directory),
    "restart": lambda a: restart(a.directory, a.kill),
    "status": lambda a: status(a.directory),
    "port": lambda a: str(load(a.directory)["port"]),
    "log": lambda a: log_text(a.directory),
    "cleanup": lambda a: cleanup(a.directory),
    "home": lambda a: home(a.version),
    "java": lambda a: java_class_path(a.version),
}


def main():
    arguments = parse_arguments()
    try:
        result = ACTIONS[arguments.command](arguments)
    except (BrokerError, OSError, subprocess.SubprocessError) as error:
        print("broker.py: %s" % error, file=sys.stderr)
        return 1
    print(result if isinstance(result, str) else json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
