"""Templates of Mako."""
from pathlib import Path

from mako.lookup import TemplateLookup

_lookup = TemplateLookup(directories=[str(Path(__file__).parent)], default_filters=["h"])


def render(name, **values):
    return _lookup.get_template(name).render(**values)
