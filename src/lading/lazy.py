"""Faces of packages: names that load their module when they are first used (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType


def lazy_exports(
    package: str, exports: Mapping[str, str], call: str = ""
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package whose modules load on first use.

    The package lists the same names once more below `if TYPE_CHECKING:`, for type checkers; a test
    compares the two lists.

    Args:
        package: Its `__name__`.
        exports: Name of a module of the package → the names it exports, separated by spaces. The
            names under "" are modules themselves.
        call: `module:function` that a call of the package itself runs. So `lading.lock` can be
            both, the package and the verb, in whichever order the two are imported.
    """
    homes = {name: module for module, names in exports.items() for name in names.split()}

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not homes[name]:
            return importlib.import_module(f"{package}.{name}")
        value: object = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        # The next use finds it without this function.
        setattr(sys.modules[package], name, value)
        return value

    if call:
        sys.modules[package].__class__ = _callable(call)
    return get, lambda: sorted(homes)


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
