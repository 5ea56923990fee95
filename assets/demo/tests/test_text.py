"""Rendering: nothing a person types may become markup, a few safe things apart."""

import pytest

from text import render


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("plain", "<p>plain</p>"),
        ("a\nb", "<p>a<br>\nb</p>"),
        ("a\r\n\r\n\r\nb", "<p>a</p>\n<p>b</p>"),
        ("", ""),
        ("<b>&\"'", "<p>&lt;b&gt;&amp;&#34;&#39;</p>"),
        ("`x < y`", "<p><code>x &lt; y</code></p>"),
        ("`http://a.b/c`", "<p><code>http://a.b/c</code></p>"),
        ("lone ` tick", "<p>lone ` tick</p>"),
        ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
    ],
)
def test_render(typed, shown):
    assert str(render(typed)) == shown


def test_links_end_before_the_full_stop():
    shown = str(render("see https://example.org/a?b=1."))
    assert 'href="https://example.org/a?b=1"' in shown
    assert shown.endswith("</a>.</p>")


def test_a_link_cannot_leave_its_attribute():
    shown = str(render('https://example.org/"onmouseover="alert(1)'))
    assert 'href="https://example.org/"' in shown
    assert "&#34;onmouseover=" in shown
