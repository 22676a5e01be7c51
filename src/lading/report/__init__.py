"""Results as text, JSON, Markdown and SVG."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.report.checked import (
        render_check as render_check,
        render_check_json as render_check_json,
    )
    from lading.report.compared import (
        render_diff as render_diff,
        render_diff_json as render_diff_json,
        render_diff_markdown as render_diff_markdown,
    )
    from lading.report.dependency_graph import (
        render_dot as render_dot,
        render_graph_json as render_graph_json,
        render_svg as render_svg,
        render_tree as render_tree,
        render_why as render_why,
        render_why_json as render_why_json,
    )
    from lading.report.document import render_json as render_json
    from lading.report.errors import (
        render_error as render_error,
        render_error_json as render_error_json,
    )
    from lading.report.fetched import (
        render_bootstrap as render_bootstrap,
        render_bootstrap_json as render_bootstrap_json,
        render_fetched as render_fetched,
        render_fetched_json as render_fetched_json,
        render_mirrored as render_mirrored,
        render_mirrored_json as render_mirrored_json,
    )
    from lading.report.listed import (
        render_listing_json as render_listing_json,
        render_listing_sums as render_listing_sums,
    )
    from lading.report.locked import (
        render_adopted as render_adopted,
        render_adopted_json as render_adopted_json,
        render_left_out as render_left_out,
        render_locked as render_locked,
        render_locked_json as render_locked_json,
    )
    from lading.report.looking import (
        render_list as render_list,
        render_list_json as render_list_json,
        render_outdated as render_outdated,
        render_outdated_json as render_outdated_json,
        render_overview as render_overview,
        render_overview_json as render_overview_json,
    )
    from lading.report.mounted import (
        render_entered as render_entered,
        render_mounted as render_mounted,
        render_mounted_json as render_mounted_json,
        render_unmounted_json as render_unmounted_json,
    )
    from lading.report.preflight import (
        merge_preflights as merge_preflights,
        render_preflight as render_preflight,
        render_preflight_json as render_preflight_json,
        render_preflights as render_preflights,
    )
    from lading.report.progress import progress_bar as progress_bar
    from lading.report.summary import (
        render_installed as render_installed,
        render_installed_json as render_installed_json,
        render_notes as render_notes,
        render_packed as render_packed,
        render_packed_json as render_packed_json,
    )
    from lading.report.terminal import one_line as one_line, printable as printable
    from lading.report.verified import (
        render_report as render_report,
        render_report_json as render_report_json,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
