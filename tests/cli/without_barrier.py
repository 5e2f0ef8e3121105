"""The library with the barrier switched off, for the proof that a proof can fail. The hook that does it cannot be reached from
outside; here a patch switches it on in a copy of the sources, and the product is as it was."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "tests/sim"))
from bugs import patched_files, put_on  # noqa: E402

PATCH = HERE / "without_barrier.patch"


def patched_tree(tree, *names):
    """A copy of these files and directories, with the patch."""
    shutil.rmtree(tree, ignore_errors=True)
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    if why := put_on(PATCH, tree):
        raise RuntimeError(f"{PATCH.name}: {why}")
    return tree


def compile_patched(build, tree, scratch):
    """The objects of what the patch changes, made as those of the build directory were."""
    for name in patched_files(PATCH):
        [entry] = [entry for entry in json.loads((build / "compile_commands.json").read_text())
                   if entry["file"] == str(ROOT / name)]
        words = shlex.split(entry["command"].replace(f"{ROOT}/", f"{tree}/"))
        words[words.index("-o") + 1] = str(scratch / f"{name.name}.o")
        subprocess.run(words, cwd=entry["directory"], check=True)
        yield scratch / f"{name.name}.o"


def library(build, program):
    """A directory to put first in LD_LIBRARY_PATH: its libreattach.so.1 is that of the build directory but for what the patch
    changes, and it is the one that the program loads then."""
    place = build.parent / "without_barrier"
    tree = patched_tree(place / "tree", "src", "abi")
    archive = place / "reattach.a"
    shutil.copy(build / "libreattach.a", archive)
    members = subprocess.run(["ar", "t", archive], check=True, capture_output=True, text=True).stdout.split()
    for made in compile_patched(build, tree, place):
        if members.count(made.name) != 1:
            raise RuntimeError(f"{made.name} is {members.count(made.name)} times in libreattach.a")
        subprocess.run(["ar", "r", archive, made], check=True)
    subprocess.run(["cc", "-shared", "-o", place / "libreattach.so.1", "-Wl,-soname,libreattach.so.1",
                    f"-Wl,--version-script={ROOT / 'abi/reattach.map'}", "-Wl,--whole-archive", archive,
                    "-Wl,--no-whole-archive", "-lcares", "-pthread"], check=True)
    loaded = subprocess.run(["ldd", program], check=True, capture_output=True, text=True,
                            env={**os.environ, "LD_LIBRARY_PATH": str(place)}).stdout
    if f"libreattach.so.1 => {place}/libreattach.so.1 " not in loaded:
        raise RuntimeError(f"{program} would load another library: {loaded}")
    return str(place)
