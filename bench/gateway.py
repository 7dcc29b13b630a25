"""The gateway as it is served, with two competitors beside its endpoints, in the same process.

`/bench/empty` answers at once: what the HTTP server, the middleware and FastAPI cost. `/bench/verify`
parses a notification and checks its signature, and commits nothing: the floor of any honest intake.

`python -m bench.gateway [WORKERS]`, with the settings of the environment.
"""

from __future__ import annotations

import socket
import sys

from fastapi import FastAPI, Request, Response

from app import main, sns, sns_client
from app.settings import HttpSettings, Settings
from app.telemetry import configure_logging
from app.web import server, workers
from app.web.deps import Parts


def create_app(settings: Settings) -> FastAPI:
    app = main.create_app(settings)

    @app.api_route("/bench/empty", methods=["GET", "POST"])
    async def empty() -> Response:
        return Response()

    @app.post("/bench/verify")
    async def verify(request: Request, parts: Parts) -> Response:
        now = parts.now()
        message = sns.parse(await request.body())
        sns.check_headers(message, request.headers)
        sns.check_policy(message, parts.settings.sns.topics, now)
        await sns_client.check_signature(parts.certificates, parts.settings.sns, message, now=now)
        return Response()

    return app


def serve(listening: socket.socket) -> None:
    settings = Settings()
    configure_logging(settings.log)
    server.Server(create_app(settings), settings.http).run(sockets=[listening])


if __name__ == "__main__":
    http = HttpSettings()
    if len(sys.argv) > 1:
        workers.run(int(sys.argv[1]), serve, workers.listen(http.host, http.port))
    else:
        serve(workers.listen(http.host, http.port))
