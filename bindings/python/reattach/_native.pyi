"""The module that SWIG makes of bindings/swig/reattach.i: the functions of the public headers without their prefix."""
from typing import Any

def __getattr__(name: str) -> Any: ...
