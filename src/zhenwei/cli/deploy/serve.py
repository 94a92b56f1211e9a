"""`zhenwei serve`: serve a detector over HTTP."""

from pathlib import Path

import typer

from zhenwei.cli.run import Always, Run, folder_of, hub_name


def serve(
    ctx: typer.Context,
    run: str = Run,
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0: all of this machine's."),
    port: int = typer.Option(8000, help="Port to listen on; 0: any free port."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    max_batch: int = typer.Option(64, help="Maximum texts of a batch; 1: no micro-batching."),
    max_wait_ms: float = typer.Option(5.0, help="Milliseconds to wait for more requests under load."),
    max_queue: int = typer.Option(512, help="Maximum texts that wait; beyond it: 503."),
    timeout: float = typer.Option(10.0, help="Seconds until a request fails."),
    max_body: int = typer.Option(2 * 2**20, help="Maximum bytes of a request's body."),
    max_texts: int = typer.Option(256, help="Maximum texts of a request."),
    max_characters: int = typer.Option(20_000, help="Maximum characters of a text."),
    max_connections: int = typer.Option(2048, help="Maximum open connections; beyond it: 503."),
    threads: int = typer.Option(0, help="Threads of PyTorch; 0: all cores but one."),
    drain_seconds: float = typer.Option(2.0, help="Seconds between SIGTERM and closing the port."),
    watch_seconds: float = typer.Option(
        0.0, "--watch", help="Seconds between checks for a replaced bundle; 0: reload on SIGHUP only."
    ),
    api_key_file: Path | None = typer.Option(
        None, help="File of API keys, one per line, that clients must send; more in ZHENWEI_API_KEYS."
    ),
    feedback: str | None = typer.Option(
        None, metavar="FILE|URL", help="Store reviewers' verdicts: an SQLite file, or a database's URL."
    ),
    always: bool = Always,
    log_texts: bool = typer.Option(False, "--log-texts", help="Write texts into the log."),
) -> None:
    """Serve the detector in RUN over HTTP, with its web page."""
    from zhenwei.errors import ConfigError

    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(f"serve: {error.name} is not installed; pip install 'zhenwei[serve]'") from None
    from zhenwei.serving import server
    from zhenwei.serving.feedback.recorder import FeedbackRecorder
    from zhenwei.serving.feedback.store import FeedbackStore
    from zhenwei.serving.http.api_keys import load_keys
    from zhenwei.serving.logs import log_as_json
    from zhenwei.serving.service import Service
    from zhenwei.serving.settings import ServingSettings

    options = {name: ctx.params[name] for name in ServingSettings.model_fields if name in ctx.params}
    settings = ServingSettings.of(options)
    keys = load_keys(api_key_file)
    with server.open_port(settings) as listener:
        recorder = None if feedback is None else FeedbackRecorder(FeedbackStore.open(feedback))
        service = Service(folder_of(run), settings, name=hub_name(run), device=device, keys=keys, feedback=recorder)
        address, bound_port = listener.getsockname()[:2]
        url = f"http://{f'[{address}]' if ':' in address else address}:{bound_port}"
        if not keys and address not in ("127.0.0.1", "::1"):
            typer.echo("warning: everybody who reaches this address can use it; set --api-key-file", err=True)
        message = f"serving {run} (version {service.loaded.version[:12]}) at {url} until Ctrl-C"
        log_as_json()
        server.serve(service, listener, lambda: typer.echo(message))
