"""Log of the renderer's processes: the fork server imports this module first, so that every line of theirs is JSON."""

import logging

from chassis import log, plain_lines

log.setup("notary")
plain_lines.capture()
# WeasyPrint's warnings quote the page, and with it personal data.
logging.getLogger("weasyprint").setLevel(logging.ERROR)
