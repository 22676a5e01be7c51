"""Values of the conda standards: names, records, match specs. Pure."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.conda.channels import (
        DEFAULTS as DEFAULTS,
        IN_PROJECT as IN_PROJECT,
        ChannelUrl as ChannelUrl,
        Credential as Credential,
        MirrorMap as MirrorMap,
        canonical_channel as canonical_channel,
        channel_urls as channel_urls,
        default_channel_of as default_channel_of,
    )
    from lading.conda.condition import condition_holds as condition_holds
    from lading.conda.match_spec import MatchSpec as MatchSpec, parse_matchspec as parse_matchspec
    from lading.conda.names import (
        BuildString as BuildString,
        MatchSpecText as MatchSpecText,
        PackageName as PackageName,
        Platform as Platform,
        dependency_name as dependency_name,
        is_environment_name as is_environment_name,
        is_path_separator_free as is_path_separator_free,
        is_variable_name as is_variable_name,
        is_virtual as is_virtual,
        native_platform as native_platform,
        parse_platform as parse_platform,
    )
    from lading.conda.paths import (
        FileMode as FileMode,
        Kind as Kind,
        PathType as PathType,
        link_steps as link_steps,
    )
    from lading.conda.placeholder import (
        Content as Content,
        Occurrences as Occurrences,
        check_placeholder as check_placeholder,
        find_occurrences as find_occurrences,
        relocated_chunks as relocated_chunks,
        replace_placeholder as replace_placeholder,
        replaced_chunks as replaced_chunks,
        restore_placeholder as restore_placeholder,
        restored_chunks as restored_chunks,
    )
    from lading.conda.records import RepodataRecord as RepodataRecord, archive_stem as archive_stem
    from lading.conda.signature import (
        Signature as Signature,
        signature_of as signature_of,
        with_signature as with_signature,
    )
    from lading.conda.variables import (
        UNSET as UNSET,
        VARIABLES_DIRECTORY as VARIABLES_DIRECTORY,
        fish_quoted as fish_quoted,
        refusal_of_variables as refusal_of_variables,
    )
    from lading.conda.virtual import (
        VirtualPackage as VirtualPackage,
        default_virtual_packages as default_virtual_packages,
        override_virtual_packages as override_virtual_packages,
        virtual_package_name as virtual_package_name,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
