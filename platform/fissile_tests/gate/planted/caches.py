"""Cache keys."""

from __future__ import annotations

from .planting import DECLARED, case

PLANTS = [
    case(
        "cache keys that two contexts could share",
        {
            "orders/caching.py": """
                from django.core.cache import cache, caches
                from django.views.decorators.cache import cache_page

                PREFIX = "basket"
                KEY = "basket:%s"
                local = caches["default"]


                def key_of(pk):
                    return f"sale:{pk}"


                def read(pk):
                    cache.get("rates")  # gate: BND080
                    cache.set(f"basket:{pk}", 1, timeout=60)  # gate: BND080
                    cache.get_or_set(KEY % pk, list)  # gate: BND080
                    cache.delete("{}-{}".format(PREFIX, pk))  # gate: BND080
                    cache.get(key_of(pk))  # gate: BND080
                    cache.get_many(["orders:one", "two"])  # gate: BND080
                    cache.set_many({f"sale:{pk}": 1})  # gate: BND080
                    caches["default"].incr("count")  # gate: BND080
                    local.add("lock", 1)  # gate: BND080


                def assigned(pk):
                    key = f"rates:{pk}"
                    return cache.get(key)  # gate: BND080


                def everything():
                    cache.clear()  # gate: BND080


                @cache_page(60)  # gate: BND080
                def page(request):
                    pass
            """,
            "orders/templates/orders/cached.html": """
                {% load cache %}
                {% cache 500 sidebar user.pk %}<p></p>{% endcache %}  {# gate: BND080 #}
            """,
        },
        DECLARED,
    ),
    case(
        "a neighbour's cache entries",
        {
            "orders/peeking.py": """
                from django.core.cache import cache, caches


                def name(pk):
                    return cache.get(f"users:{pk}:name")  # gate: BND080


                def flush(pk):
                    cache.delete_many([f"users:{pk}", "users:all"])  # gate: BND080


                def their_cache(pk):
                    return caches["users"].get(pk)  # gate: BND080
            """
        },
    ),
    case(
        "a cache kept in an attribute",
        {
            "orders/rates.py": """
                from django.core.cache import caches


                class Rates:
                    def __init__(self):
                        self.cache = caches["default"]

                    def today(self):
                        return self.cache.get("rates")  # gate: BND080
            """
        },
        DECLARED,
    ),
]

LOOK_ALIKES = [
    case(
        "keys with the context's prefix, and dicts called cache",
        {
            "orders/own_caching.py": """
                from functools import cache as remembered

                from django.core.cache import cache, caches
                from django.views.decorators.cache import cache_page, never_cache

                PREFIX = "orders:basket"
                KEY = f"{PREFIX}:%s"
                own = caches["orders"]


                def key_of(pk):
                    return f"{PREFIX}:{pk}"


                def read(pk, keys):
                    cache.get("orders:rates")
                    cache.set(KEY % pk, 1)
                    cache.get(key_of(pk))
                    cache.get_many([key_of(1), "orders:two"])
                    cache.delete_many(keys)
                    cache.get(f"{pk}")
                    own.get("users:rates")
                    caches["orders"].set("rates", 1)


                @cache_page(60, key_prefix="orders:page")
                def page(request):
                    pass


                @never_cache
                @remembered
                def fresh():
                    cache = {}
                    cache.get("users:1")
                    return cache
            """,
            "orders/local_cache.py": """
                cache = {}


                def read(pk):
                    cache.clear()
                    return cache.get("users:1") or cache.get("rates")
            """,
            "orders/templates/orders/own_cached.html": """
                {% load cache %}
                {% cache 500 orders.sidebar user.pk %}<p>users</p>{% endcache %}
            """,
        },
    ),
]
