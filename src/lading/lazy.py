"""Faces of packages: names that load their module when they are first used (PEP 562)."""

import importlib
import re
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType

_IMPORT = re.compile(r"^    from (\S+) import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)
_NAME = re.compile(r"\bas (\w+)")


def lazy_exports(
    package: str, *, modules: str = "", call: str = ""
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package whose modules load on first use.

    A package lists its names once, as imports below `if TYPE_CHECKING:`. Type checkers follow these
    imports; here they are read from the source of the package when a name is first asked for.

    Args:
        package: Its `__name__`.
        modules: Names that stand for modules of the package itself, separated by spaces.
        call: `module:function` that a call of the package itself runs. So `lading.lock` can be
            both, the package and the verb, in whichever order the two are imported.
    """

    @cache
    def homes() -> dict[str, str]:
        """Name → the module that has it."""
        return {
            name: found[1]
            for found in _IMPORT.finditer(_source(sys.modules[package]))
            for name in _NAME.findall(found[2] or found[3])
        }

    def get(name: str) -> object:
        if name in modules.split():
            return importlib.import_module(f"{package}.{name}")
        if name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(homes()[name]), name)
        # The next use finds it without this function.
        setattr(sys.modules[package], name, value)
        return value

    if call:
        sys.modules[package].__class__ = _callable(call)
    return get, lambda: sorted(homes())


def _source(module: ModuleType) -> str:
    """The source of a module, from its file or from the archive that holds it."""
    loader, file = module.__loader__, module.__file__
    data: bytes = loader.get_data(file)  # type: ignore[union-attr]  # all loaders of files have it
    return data.decode()


def _callable(call: str) -> type[ModuleType]:
    """A class of modules that run the function `call` (`module:function`) when they are called."""

    class CallableModule(ModuleType):
        def __call__(self, *args: object, **kwargs: object) -> object:
            module, _, function = call.partition(":")
            run: object = getattr(importlib.import_module(module), function)
            assert callable(run)  # noqa: S101  # for the type checker
            result: object = run(*args, **kwargs)
            return result

    return CallableModule
