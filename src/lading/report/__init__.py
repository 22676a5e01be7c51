"""Results as text, JSON, Markdown and SVG."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.report.checked import render_check as render_check
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
    )
    from lading.report.document import Answer as Answer, render_json as render_json
    from lading.report.errors import render_error as render_error
    from lading.report.fetched import (
        render_bootstrap as render_bootstrap,
        render_fetched as render_fetched,
        render_mirrored as render_mirrored,
    )
    from lading.report.listed import (
        render_listing_json as render_listing_json,
        render_listing_sums as render_listing_sums,
    )
    from lading.report.locked import (
        render_adopted as render_adopted,
        render_left_out as render_left_out,
        render_locked as render_locked,
    )
    from lading.report.looking import (
        render_list as render_list,
        render_outdated as render_outdated,
        render_overview as render_overview,
    )
    from lading.report.mounted import (
        render_entered as render_entered,
        render_mounted as render_mounted,
    )
    from lading.report.phases import phase_lines as phase_lines
    from lading.report.preflight import (
        merge_preflights as merge_preflights,
        render_preflight as render_preflight,
        render_preflights as render_preflights,
    )
    from lading.report.progress import progress_bar as progress_bar
    from lading.report.summary import (
        render_installed as render_installed,
        render_notes as render_notes,
        render_packed as render_packed,
    )
    from lading.report.terminal import one_line as one_line, printable as printable
    from lading.report.verified import render_report as render_report
else:
    __getattr__, __dir__ = lazy_exports(__name__)
