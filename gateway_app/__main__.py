"""Serve the gateway: `python -m gateway_app --host 127.0.0.1 --port 3000`. The one place of uvicorn's settings."""

import argparse

import uvicorn

from fissile.edge.gateway.protocol import StrictHttpProtocol


def main() -> None:
    """Serve until SIGTERM or Ctrl-C: readiness off, requests in flight finished, then out."""
    parser = argparse.ArgumentParser(prog="python -m gateway_app", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    chosen = parser.parse_args()
    uvicorn.run(
        "gateway_app.asgi:application",
        host=chosen.host,
        port=chosen.port,
        http=StrictHttpProtocol,
        ws="none",
        # X-Forwarded-For is ours to say, not a client's; the application reads the socket's peer.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_keep_alive=5,
        # Above the longest ordinary route (10 s), below the supervisor's patience (30 s).
        timeout_graceful_shutdown=12,
    )


if __name__ == "__main__":
    main()
