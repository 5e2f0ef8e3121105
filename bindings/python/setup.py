"""Builds the library with CMake, the module with SWIG, and puts both into one extension for Python 3.11 and later."""
import os
import pathlib
import re
import shutil
import subprocess

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INTERFACE = ROOT / "bindings/swig/reattach.i"


def version():
    return re.search(r"project\(reattach VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


class Build(build_ext):
    def build_extension(self, extension):
        sanitize = os.environ.get("REATTACH_SANITIZE", "")  # as -fsanitize= has it, for the project's own tests
        scratch = pathlib.Path(self.build_temp + sanitize).resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        run("cmake", "-S", ROOT, "-B", scratch / "library", "-DCMAKE_BUILD_TYPE=Release", "-DREATTACH_TESTS=OFF",
            "-DREATTACH_EXAMPLES=OFF", "-DREATTACH_WERROR=OFF", f"-DREATTACH_SANITIZE={sanitize}")
        run("cmake", "--build", scratch / "library", "--target", "reattach_mock_static", "--parallel", "2")
        run("swig", "-python", "-noproxy", "-threads", f"-I{ROOT / 'abi'}", f"-I{INTERFACE.parent}",
            "-o", scratch / "native.c", INTERFACE)
        extension.sources = [str(scratch / "native.c")]
        extension.include_dirs = [str(ROOT / "abi")]
        extension.extra_objects = [str(scratch / f"library/lib{name}.a") for name in ("reattach-mock", "reattach")]
        extension.extra_link_args = [f"-Wl,--version-script={HERE / 'native.map'}", "-lcares", "-pthread"]
        if sanitize:
            extension.extra_compile_args = ["-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitize}"]
            extension.extra_link_args.append(f"-fsanitize={sanitize}")
        super().build_extension(extension)


for stale in HERE.glob("build/lib*"):  # a module that is gone would stay in the wheel
    shutil.rmtree(stale)
setup(version=version(),
      ext_modules=[Extension("reattach._native", [], define_macros=[("Py_LIMITED_API", "0x030B0000")],
                             py_limited_api=True)],
      cmdclass={"build_ext": Build},
      options={"bdist_wheel": {"py_limited_api": "cp311"}})
