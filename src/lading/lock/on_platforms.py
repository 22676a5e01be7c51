"""Work on all platforms of an environment at once; what fails is told together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lading.errors import LadingError
from lading.lock.request import PlatformOutcome, PlatformPlan


def on_every_platform(
    work: Callable[[PlatformPlan], PlatformOutcome], plans: Sequence[PlatformPlan]
) -> tuple[PlatformOutcome, ...]:
    """The result of `work` on each of `plans`, in their order; each in a thread of its own.

    Raises:
        LadingError: Of the kind of the first that failed; it tells of all of them.
    """

    def attempt(plan: PlatformPlan) -> PlatformOutcome | LadingError:
        try:
            return work(plan)
        except LadingError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, len(plans))) as pool:
        results = list(pool.map(attempt, plans))
    failures = [
        (plan.solve.platform.value, result)
        for plan, result in zip(plans, results, strict=True)
        if isinstance(result, LadingError)
    ]
    if failures:
        raise _combined(failures) from failures[0][1]
    return tuple(result for result in results if isinstance(result, PlatformOutcome))


def _combined(failures: Sequence[tuple[str, LadingError]]) -> LadingError:
    """One error for all platforms that failed, of the kind of the first; each is said once."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for name, error in failures:
        groups.setdefault((str(error), error.hint or "", error.details), []).append(name)
    first = failures[0][1]
    (_, *others) = groups
    names = next(iter(groups.values()))
    details = list(first.details)
    for key in others:
        message, hint, lines = key
        details += [f"{', '.join(groups[key])}: {message}", *(f"  {line}" for line in lines)]
        details += [f"  hint: {hint}"] if hint not in {"", first.hint} else []
    return type(first)(
        f"{', '.join(names)}: {first.message}",
        hint=first.hint,
        details=tuple(details),
        expected=first.expected,
        actual=first.actual,
    )
