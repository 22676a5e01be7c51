"""Files, processes, digests, parallel work."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.system.beneath import DIRECTORY_MODE as DIRECTORY_MODE, Beneath as Beneath
    from lading.system.digest import (
        CHUNK_BYTES as CHUNK_BYTES,
        Algorithm as Algorithm,
        Digest as Digest,
        digest_of_file as digest_of_file,
        sha256_of as sha256_of,
        sha256_of_file as sha256_of_file,
        sha256_of_stream as sha256_of_stream,
    )
    from lading.system.file_content import FileContent as FileContent, content_of as content_of
    from lading.system.filesystem import (
        Sync as Sync,
        begin_write_out as begin_write_out,
        file_system_type as file_system_type,
        nearest_directory as nearest_directory,
        network_file_system as network_file_system,
        no_sync as no_sync,
        sync_file_system as sync_file_system,
    )
    from lading.system.limits import processors as processors
    from lading.system.parallel import OrderedWork as OrderedWork, in_order as in_order
    from lading.system.private import make_private_directory as make_private_directory
    from lading.system.process import (
        Completed as Completed,
        read_from as read_from,
        run as run,
        run_checked as run_checked,
        scrubbed_environment as scrubbed_environment,
    )
    from lading.system.program import (
        Run as Run,
        become as become,
        find_program as find_program,
    )
    from lading.system.progress import Progress as Progress, no_progress as no_progress
    from lading.system.redaction import (
        has_credentials as has_credentials,
        redact as redact,
        split_token as split_token,
        without_credentials as without_credentials,
    )
    from lading.system.removal import remove_tree as remove_tree
    from lading.system.temporary import (
        exchange as exchange,
        is_temporary_of as is_temporary_of,
        remove_atomically as remove_atomically,
        remove_stale_temporaries as remove_stale_temporaries,
        take_turns as take_turns,
        temporary_directory as temporary_directory,
        temporary_file as temporary_file,
        write_atomically as write_atomically,
    )
    from lading.system.untracked import make_untracked as make_untracked
    from lading.system.untrusted import (
        convert as convert,
        decode_json as decode_json,
        decode_msgpack as decode_msgpack,
        hold_lock as hold_lock,
        is_trusted_owner as is_trusted_owner,
        open_lock as open_lock,
        open_regular as open_regular,
        read_regular as read_regular,
        reason_to_distrust as reason_to_distrust,
    )
    from lading.system.words import nearest as nearest
    from lading.system.workers import Job as Job, run_jobs as run_jobs, spread as spread
    from lading.system.yaml_reader import (
        YamlError as YamlError,
        parse_yaml as parse_yaml,
        read_document as read_document,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
