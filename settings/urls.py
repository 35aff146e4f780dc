"""Every address of a web process: the installed contexts' APIs, probes, the internal door, the operators' door."""

from importlib import import_module

from django.conf import settings
from django.urls import include, path

from fissile.calls.endpoint import urlpatterns as internal
from fissile.console import site
from fissile.console.urls import urlpatterns as operator_login
from fissile.edge.api.urls import context_urls, docs_urls
from fissile.watch.urls import urlpatterns as probes

urlpatterns = [
    *probes,
    *operator_login,
    path("admin/", site.urls),
    path("internal/", include(internal)),
    *docs_urls(),
]
for _name in settings.FISSILE["contexts"]:
    _package = settings.FISSILE["packages"][_name]
    try:
        _api = import_module(f"{_package}.api.v1.urls")
    except ModuleNotFoundError as absent:
        if not (absent.name or "").startswith(_package):
            raise
        continue
    urlpatterns += context_urls(_name, _api)

handler400 = "fissile.edge.api.problems.bad_request"
handler403 = "fissile.edge.api.problems.forbidden"
handler404 = "fissile.edge.api.problems.not_found"
handler500 = "fissile.edge.api.problems.server_error"
