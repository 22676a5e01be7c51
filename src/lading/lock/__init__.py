"""Lockfiles: what is asked for, solving, reading, comparing, checking, merging, exporting."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.lock.adopt import (
        adopted_bytes as adopted_bytes,
        pins_of_conda_lock as pins_of_conda_lock,
        pins_of_prefix as pins_of_prefix,
    )
    from lading.lock.categories import (
        Choice as Choice,
        categories_of as categories_of,
        choose_categories as choose_categories,
    )
    from lading.lock.check import (
        CheckRequest as CheckRequest,
        LockFinding as LockFinding,
        LockReport as LockReport,
        check_lock as check_lock,
    )
    from lading.lock.dependency_graph import LockGraph as LockGraph, lock_graph as lock_graph
    from lading.lock.diff import (
        Change as Change,
        ChangeKind as ChangeKind,
        FoldedChange as FoldedChange,
        diff_locks as diff_locks,
        fold_diffs as fold_diffs,
    )
    from lading.lock.exchange import PackageIndex as PackageIndex
    from lading.lock.export import (
        export_environment_yml as export_environment_yml,
        export_explicit as export_explicit,
        export_requirements as export_requirements,
        export_unified as export_unified,
    )
    from lading.lock.file_conflicts import FileLists as FileLists
    from lading.lock.foreign import (
        default_environment as default_environment,
        is_lock_path as is_lock_path,
        read_foreign as read_foreign,
    )
    from lading.lock.group import solve_group as solve_group
    from lading.lock.isolation import CondaLock as CondaLock
    from lading.lock.listing import (
        Listed as Listed,
        Newer as Newer,
        list_packages as list_packages,
        newer_packages as newer_packages,
    )
    from lading.lock.merge import (
        Merging as Merging,
        merge_locks as merge_locks,
        read_sides as read_sides,
        write_merged_sources as write_merged_sources,
    )
    from lading.lock.model import (
        LOCK_SUFFIX as LOCK_SUFFIX,
        MAIN as MAIN,
        LockedPackage as LockedPackage,
        Lockfile as Lockfile,
        Manager as Manager,
        Unusable as Unusable,
        lock_path as lock_path,
    )
    from lading.lock.own_wheels import rebuild_wheel as rebuild_wheel, source_trees as source_trees
    from lading.lock.pip_lock import (
        export_pylock as export_pylock,
        is_environment_file as is_environment_file,
        is_pip_lock as is_pip_lock,
        read_pip_lock as read_pip_lock,
    )
    from lading.lock.pip_options import PipOptions as PipOptions
    from lading.lock.project_files import FilesRequest as FilesRequest, read_files as read_files
    from lading.lock.reading import (
        read_lockfile as read_lockfile,
        refuse_unusable as refuse_unusable,
    )
    from lading.lock.request import (
        LockInputs as LockInputs,
        LockOutcome as LockOutcome,
        LockRequest as LockRequest,
        PlatformOutcome as PlatformOutcome,
    )
    from lading.lock.requested import (
        Sources as Sources,
        ask_conda_lock as ask_conda_lock,
        read_sources as read_sources,
    )
    from lading.lock.revisions import (
        LockRevisions as LockRevisions,
        locked_environments as locked_environments,
        locked_platforms as locked_platforms,
    )
    from lading.lock.side_list import locked_files as locked_files
    from lading.lock.solve import (
        apply_lock as apply_lock,
        plan_lock as plan_lock,
        read_lock_inputs as read_lock_inputs,
        refuse_unlocked as refuse_unlocked,
        solve_lock as solve_lock,
    )
    from lading.lock.virtual_packages import (
        find_virtual_packages as find_virtual_packages,
        read_virtual_packages as read_virtual_packages,
        targets_of as targets_of,
    )
    from lading.lock.wheel_builder import WheelBuilder as WheelBuilder
else:
    __getattr__, __dir__ = lazy_exports(__name__, call="lading.api:lock")
