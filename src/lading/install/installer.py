"""Fill a prefix from a lock: plan, then apply; afterwards it is complete, or does not exist.

A prefix is complete when its install record lies beside it: the record is written last and removed
first.

lading links, or the engine does. What engines do differently is written by lading afterwards, so
that the prefix does not depend on the engine: entry points, prefix records, history, bytecode.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lading.conda import RepodataRecord
from lading.engine import Engine, InstallRequest
from lading.errors import LockError, NotAPrefixError, PrefixError, raised_as
from lading.install.bytecode import Compiler, is_bytecode
from lading.install.contents import (
    CondaPart,
    PrefixContents,
    environment_payload,
    read_conda_part,
    read_contents,
    read_contents_file,
    write_contents_file,
)
from lading.install.discarding import SCRIPTED, discard, discard_busy
from lading.install.extracted import with_private_cache
from lading.install.layout import UV_WORKPLACE, BuildTree
from lading.install.link import Linked, check_and_extract, link_packages, run_link_scripts
from lading.install.moving import move_packages
from lading.install.own_linking import is_linked
from lading.install.package_cache import Archives, fetch_archives
from lading.install.pip import PipInstall, install_pip_packages
from lading.install.placement import adopt_files, foreign_paths, place_contents
from lading.install.plan import InstallPlan, is_installed
from lading.install.project_files import project_payloads
from lading.install.record import (
    FORMAT_VERSION,
    InstallRecord,
    list_files,
    read_install_record,
    write_install_record,
)
from lading.install.update import Update, find_update, refuse_clobbering, unless_in_doubt
from lading.lock import LockedPackage
from lading.package import CheckedPackage, PayloadFile, PythonLayout
from lading.system import (
    Progress,
    hold_lock,
    make_untracked,
    no_progress,
    processors,
    scrubbed_environment,
)
from lading.version import VERSION

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A finished installation.

    Attributes:
        moved: How many packages an update in place moved; None where there was none.
    """

    plan: InstallPlan
    record: InstallRecord
    contents: PrefixContents
    moved: int | None = None

    @property
    def adopted(self) -> tuple[PayloadFile, ...]:
        """The files that link scripts made."""
        own = (item for item in self.contents.payloads if item.manager == "environment")
        return tuple(file for item in own for file in item.files if file.content is None)


def apply_install(
    plan: InstallPlan,
    tree: BuildTree,
    engine: Engine,
    *,
    inherited: Mapping[str, str],
    progress: Progress = no_progress,
) -> Installed:
    """Carry out `plan`; afterwards the prefix is complete, or does not exist.

    Where only a few packages changed since the environment was installed, only these are replaced.

    `inherited` are the caller's environment variables, of which children get a few.

    Raises:
        FetchError: An archive could not be fetched.
        IntegrityError: An archive or an extracted package is not what it should be.
        EngineError: The engine or uv failed.
        PrefixError: Two packages cannot share a prefix, or the disk is full.
    """
    tree = with_private_cache(tree)
    with _prefix_errors(plan, tree), _exclusive(plan.directory):
        if not (plan.is_current or plan.reinstall) and is_installed(plan):
            # Another process installed the same while this one waited.
            return read_installed(replace(plan, is_current=True))
        installer = _Installer(
            plan=plan,
            tree=tree,
            engine=engine,
            environment=scrubbed_environment(inherited, tree.home),
            progress=progress,
        )
        update = unless_in_doubt(
            plan.environment,
            lambda: find_update(plan, installer.engine_name, tree.package_cache),
        )
        discard(plan, keep_prefix=update is not None)
        try:
            archives = fetch_archives(plan, tree, inherited, progress)
            request = installer.request(plan.records, archives)
            checked = check_and_extract(engine, request, tree.checked)
            installer = replace(installer, checked=checked)
            tree.home.mkdir(parents=True, exist_ok=True)
            if update is not None:
                steps = partial(installer.update, update, archives)
                updated = unless_in_doubt(plan.environment, steps)
                if updated is not None:
                    return updated
                discard(plan)
            return installer.fill(archives)
        except BaseException:
            discard_busy(plan)
            raise


def read_installed(plan: InstallPlan) -> Installed:
    """Read the installation that `plan` describes, as it was when it was completed.

    Raises:
        NotAPrefixError: It does not exist, was made from another lock, or its records were changed.
    """
    record = read_install_record(plan.directory)
    if record is None or not plan.is_current:
        raise NotAPrefixError(
            f"{plan.environment} is not installed from this lock in {plan.prefix}",
            hint=f"run `lading install {plan.environment}`",
        )
    contents = read_contents_file(plan.directory, record.contents)
    return Installed(plan=plan, record=record, contents=contents)


@contextmanager
def _prefix_errors(plan: InstallPlan, tree: BuildTree) -> Iterator[None]:
    what = f"cannot install into {plan.prefix}"
    try:
        with raised_as(PrefixError, what, f"free space in, or allow writing to, {tree.root}"):
            yield
    except RecursionError as error:
        hint = "take another build of the package that brings them"
        raise PrefixError(f"{what}: its directories are nested too deeply", hint=hint) from error
    except MemoryError as error:
        raise PrefixError(f"{what}: too little memory", hint="allow more memory") from error


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Let one process at a time install into `directory`; the system frees a killed one's lock."""
    make_untracked(directory.parent.parent)
    directory.mkdir(parents=True, exist_ok=True)
    with hold_lock(directory / ".lock"):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installer:
    """Fills the prefix of one plan; the caller holds its lock.

    Attributes:
        environment: Of child processes; holds nothing of the caller's that could change a result.
        checked: Distribution string → conda package that passed the checks.
    """

    plan: InstallPlan
    tree: BuildTree
    engine: Engine
    environment: Mapping[str, str]
    progress: Progress
    checked: Mapping[str, CheckedPackage] = field(default_factory=dict)

    @property
    def engine_name(self) -> str:
        """Name and version of the engine."""
        return f"{self.engine.name} {self.engine.version}"

    def fill(self, archives: Archives) -> Installed:
        """Link everything into a prefix that does not exist yet, and complete it."""
        plan = self.plan
        linked = self._link(plan.records, archives)
        extracted = linked.extracted
        conda = linked.conda or read_conda_part(plan.records, extracted)
        adopted = self._run_scripts(extracted)
        self._install_pip(plan.wheels, conda.python, archives)
        contents = self._contents(conda, adopted)
        if linked.conda is None or plan.link_scripts or plan.wheels:
            return self._complete(extracted, contents)
        # Nothing ran in the prefix but python without writing bytecode: it is as it was linked.
        present = {
            item.path: item
            for payload in conda.payloads
            for item in payload.files
            if is_linked(item, bytecode=plan.bytecode)
        }
        return self._complete(
            extracted, contents, lambda item: present.get(item.path) is item, present
        )

    def update(self, update: Update, archives: Archives) -> Installed:
        """Replace what `update` names, and complete the prefix.

        Raises:
            NotUpdatableError: The prefix must be discarded, and filled from nothing.
            PrefixChangedError: Likewise.
        """
        extracted = move_packages(
            update, self.plan.prefix, lambda records: self._link(records, archives).extracted
        )
        # In the order in which an installation from nothing has them.
        names = [item.distribution for item in self.plan.records]
        extracted = {name: extracted[name] for name in names}
        conda = read_conda_part(self.plan.records, extracted)
        self._install_pip(update.wheels, conda.python, archives)
        contents = self._contents(conda)
        refuse_clobbering(contents)
        installed = self._complete(extracted, contents, update.is_placed)
        return replace(installed, moved=update.moved)

    def _link(self, records: tuple[RepodataRecord, ...], archives: Archives) -> Linked:
        request = self.request(records, archives)
        return link_packages(self.engine, request, self.tree.checked, bytecode=self.plan.bytecode)

    def request(self, records: tuple[RepodataRecord, ...], archives: Archives) -> InstallRequest:
        """What the engine is to link."""
        return InstallRequest(
            platform=self.plan.lockfile.platform,
            records=records,
            archives=archives.conda,
            prefix=self.plan.prefix,
            package_cache=self.tree.package_cache,
            progress=self.progress,
        )

    def _run_scripts(self, extracted: Mapping[str, Path]) -> tuple[PayloadFile, ...]:
        """Run the link scripts if they are to run; return the files that they made."""
        plan = self.plan
        if not plan.link_scripts:
            return ()
        before = set(foreign_paths(plan.prefix, ()))
        messages = run_link_scripts(plan.records, extracted, plan.prefix, self.environment)
        for line in messages.splitlines():
            _log.warning("a link script says: %s", line)
        made = [path for path in foreign_paths(plan.prefix, before) if not is_bytecode(path)]
        return adopt_files(made, plan.prefix, plan.directory / SCRIPTED)

    def _install_pip(
        self, packages: tuple[LockedPackage, ...], python: PythonLayout | None, archives: Archives
    ) -> None:
        if not packages:
            return
        if python is None:
            raise LockError(
                f"{self.plan.environment} has pip packages and no python",
                hint="add python and lock again",
            )
        request = PipInstall(
            packages=packages,
            wheels=archives.wheels,
            prefix=self.plan.prefix,
            python=python,
            cache=self.tree.state / "uv",
            environment={**self.environment, **self.plan.indexes},
            editable=self.plan.editable,
        )
        install_pip_packages(request, self.plan.directory / UV_WORKPLACE)

    def _contents(self, conda: CondaPart, adopted: tuple[PayloadFile, ...] = ()) -> PrefixContents:
        compiler = None
        if self.plan.bytecode and conda.python is not None:
            compiler = Compiler(
                python=conda.python,
                find_prefix=lambda: self.plan.prefix,
                cache=self.tree.bytecode_cache,
                environment=self.environment,
                workers=processors(),
                brought={
                    record.sha256.hex: self.checked[record.distribution].bytecode
                    for record in self.plan.records
                    if record.sha256 is not None
                },
                progress=self.progress,
            )
        plan = self.plan
        environment = environment_payload(plan.lockfile.variables, adopted)
        return read_contents(
            conda,
            plan.prefix,
            compiler=compiler,
            pip=plan.wheels,
            own=(*project_payloads(plan.lockfile, self.tree.root), environment),
        )

    def _complete(
        self,
        extracted: Mapping[str, Path],
        contents: PrefixContents,
        is_placed: Callable[[PayloadFile], bool] = lambda _: False,
        present: Collection[str] | None = None,
    ) -> Installed:
        """Write lading's own files, and the install record last."""
        plan = self.plan
        place_contents(contents, plan.prefix, is_placed, present)
        record = InstallRecord(
            format=FORMAT_VERSION,
            lading=VERSION,
            engine=self.engine_name,
            environment=plan.environment,
            platform=plan.lockfile.platform,
            lock=plan.lockfile.digest.hex,
            categories=plan.lockfile.chosen,
            bytecode=plan.bytecode,
            link_scripts=plan.link_scripts,
            editable=bool(plan.editable),
            prefix=str(plan.prefix),
            extracted={key: str(path) for key, path in extracted.items()},
            contents=write_contents_file(plan.directory, contents).hex,
            listed=list_files(contents.payloads, plan.prefix),
        )
        write_install_record(plan.directory, record)
        return Installed(plan=plan, record=record, contents=contents)
