#!/usr/bin/env python3
"""seeds.py TARGET DIRECTORY [REPLAY]: where a corpus begins, made from the frames, URLs and options of the unit tests.

With REPLAY (the program replay_TARGET) it then runs that over the seeds and over what was found before, corpus/TARGET/.
"""
import pathlib
import random
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
UNIT = HERE.parent / "unit"
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[^\s]')
DEFINE = re.compile(r"^#define (\w+) ((?:.*\\\n)*.*)$", re.M)
SEND, RECEIVE, LARGE = 71, 75, 76


def text_of(literal):
    return literal[1:-1].encode().decode("unicode_escape").encode("latin-1")


def joined(tokens, macros):
    """Literals that stand one behind the other, macros expanded."""
    run = None
    for token in tokens:
        piece = text_of(token) if token[0] == '"' else macros.get(token)
        if piece is not None:
            run = (run or b"") + piece
        elif run is not None:
            yield run
            run = None
    if run is not None:
        yield run


def literals(pattern):
    for path in sorted(UNIT.glob(pattern)):
        source = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        macros = {}
        for name, value in DEFINE.findall(source):
            tokens = TOKEN.findall(value.replace("\\\n", " "))
            if all(token[0] == '"' or token in macros for token in tokens):
                macros[name] = b"".join(joined(tokens, macros))
        yield from joined(TOKEN.findall(source), macros)


def golden():
    """All byte strings that are written in hexadecimal."""
    for text in literals("test_codec_*.c"):
        if re.fullmatch(rb"[0-9a-f ]{8,}", text) and len(text.replace(b" ", b"")) % 2 == 0:
            yield bytes.fromhex(text.decode())


def is_frame(data):
    return len(data) >= 13 and int.from_bytes(data[:4], "big") == len(data) - 4


def frames():
    found = [data for data in golden() if is_frame(data)]
    yield from found
    yield b"".join(found)


def message():
    script = bytes([0, 0, 2, 1, 2, 65, 66, 3, 2, 3, 97, 98, 99, 1, 128, 4, 3, 5, 0, 6, 1, 0, 129, 1, 2])
    for data in golden():
        blob = data[13:] if is_frame(data) and data[4] in (SEND, RECEIVE) else data
        if is_frame(data) and data[4] == LARGE:
            blob = data[13 + 20:]
        elif is_frame(data) and blob is data:
            continue
        for way in range(4):
            yield bytes([way, len(script)]) + script + blob


def url():
    for text in literals("test_api_url.c"):
        if b"://" in text or b"?" in text:
            yield text
    options = [text for text in literals("test_options.c") if re.fullmatch(rb"\w+=[^\n]*", text)]
    yield b"\n".join([b"tcp://a", *options])
    for text in options:
        yield b"tcp://a:1?" + text + b"\n" + text


def engine():
    """Record 0: a frame with a header of ours; see fuzz_engine.c."""
    records = [bytes([0, data[4], channel, min(len(data) - 13, 255)]) + data[13:268]
               for data in golden() if is_frame(data) for channel in (0, 1, 2)]
    for scene in range(10):
        for record in records:
            yield bytes([scene, 0]) + record
    generator = random.Random(1)
    for i in range(100):
        yield bytes([i % 10, i]) + generator.randbytes(20 + 2 * i)


def mock():
    """Record 0: a frame with a header of ours; see fuzz_mock.c."""
    for data in golden():
        if is_frame(data):
            for channel in (0, 1, 2):
                yield bytes([0, 0, 0, data[4], channel, min(len(data) - 13, 255)]) + data[13:268]
    generator = random.Random(1)
    for i in range(100):
        yield bytes([i]) + generator.randbytes(20 + 4 * i)


def recovery():
    generator = random.Random(1)
    for size in (20, 60, 200, 600, 1500) * 4:
        yield generator.randbytes(size)


def main(target, directory, replay=None):
    directory = pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    seeds = list(dict.fromkeys(globals()[target]()))
    for i, data in enumerate(seeds):
        (directory / f"{i:04}").write_bytes(data)
    print(f"{len(seeds)} seeds")
    if not seeds:
        return f"no seeds for {target}: have the tests moved?"
    found = HERE / "corpus" / target
    return subprocess.run([replay, directory, *([found] if found.is_dir() else [])]).returncode if replay else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
