"""New addresses of attachments whose signed URLs have expired."""

from bot.playground.model.state import World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.validation.fields import ListOf, Model, Required, Text, read_form

URLS = Model({"attachment_urls": Required(ListOf(Text(2048, 1), maximum=50, minimum=1))})


def refresh_urls(world: World, request: Request) -> Result:
    """Sign URLs again; `refreshed` is null for those of no attachment."""
    urls = read_form(URLS, request.body.payload)["attachment_urls"]
    return 200, {
        "refreshed_urls": [
            {"original": url, "refreshed": world.cdn.refreshed_url(url)} for url in urls
        ]
    }


ROUTES = [Route("POST", "/attachments/refresh-urls", refresh_urls)]
