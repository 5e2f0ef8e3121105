"""The stubs say what is there: the same names, methods and parameters."""
import ast
import inspect
import pathlib
import unittest

import reattach

STUBS = ast.parse(pathlib.Path(reattach.__file__).with_suffix(".pyi").read_text())
MADE_BY_OTHERS = {"Connection", "Session", "Producer", "Consumer", "Event", "Listener", "QueueInfo", "AddressInfo",
                  "SendResult"}  # their constructors are nobody's business


def parameters(function):
    found = function.args
    return [one.arg for one in found.posonlyargs + found.args], [one.arg for one in found.kwonlyargs]


def real_parameters(function):
    kinds = inspect.signature(function).parameters.values()
    return ([one.name for one in kinds if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)],
            [one.name for one in kinds if one.kind == one.KEYWORD_ONLY])


class Stubs(unittest.TestCase):
    def test_names__are_those_of_the_package(self):
        said = {node.name for node in STUBS.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        self.assertEqual(said, set(reattach.__all__))

    def test_classes__have_what_the_stubs_say(self):
        for node in STUBS.body:
            if not isinstance(node, ast.ClassDef):
                continue
            real = getattr(reattach, node.name)
            self.assertEqual([base.attr if isinstance(base, ast.Attribute) else base.id for base in node.bases],
                             [base.__name__ for base in real.__bases__ if base is not object], node.name)
            functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            for function in functions:
                with self.subTest(f"{node.name}.{function.name}"):
                    found = getattr(real, function.name)
                    if not isinstance(found, property):
                        self.assertEqual(parameters(function), real_parameters(found))
            public = {name for name, value in vars(real).items() if not name.startswith("_") and
                      (callable(value) or isinstance(value, property))}
            self.assertLessEqual(public, {function.name for function in functions}, node.name)
            if node.name in MADE_BY_OTHERS and hasattr(real, "__slots__"):
                said = {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
                self.assertEqual(said, {name for name in real.__slots__ if not name.startswith("_")}, node.name)

    def test_connect__is_as_it_is_called(self):
        connect = next(node for node in STUBS.body if isinstance(node, ast.FunctionDef))
        self.assertEqual(parameters(connect), real_parameters(reattach.connect))

    def test_everything__says_what_it_is_for(self):
        for name in reattach.__all__:
            thing = getattr(reattach, name)
            if not (isinstance(thing, type) and issubclass(thing, reattach.Error)):
                self.assertTrue(thing.__doc__, name)


if __name__ == "__main__":
    unittest.main()
