"""`/docs`: the API's description for people, drawn by Swagger UI in the reader's browser.

Whoever pastes an API key into that page trusts its script. The script comes from a public network, so it is
named by its exact version and its hash (Subresource Integrity): a browser runs no other. The page's policy
allows that script, its style and this gateway, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib

from fastapi import APIRouter
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

# Both hashes are of the files in the npm package swagger-ui-dist 5.35.0:
# openssl dgst -sha384 -binary swagger-ui-bundle.js | base64
_FILES = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0"
_SCRIPT_HASH = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
_STYLE_HASH = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"

_START = """
SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true});
"""

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice</title>
<link rel="stylesheet" href="{_FILES}/swagger-ui.css" integrity="{_STYLE_HASH}" crossorigin="anonymous">
</head>
<body>
<div id="swagger-ui">The description is <a href="openapi.json">openapi.json</a>; drawing it needs JavaScript
and cdn.jsdelivr.net.</div>
<script src="{_FILES}/swagger-ui-bundle.js" integrity="{_SCRIPT_HASH}" crossorigin="anonymous"></script>
<script>{_START}</script>
</body>
</html>
"""

_START_HASH = base64.b64encode(hashlib.sha256(_START.encode()).digest()).decode()

POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_FILES}/ 'sha256-{_START_HASH}'",
        # Swagger UI writes style attributes.
        f"style-src {_FILES}/ 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


@router.get("/docs")
async def read_docs() -> HTMLResponse:
    """The page; without JavaScript or the network it leads to the description itself."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": POLICY})
