"""Which replies ask for no change of a picture."""

import pytest

from bot.domain.remarks import asks_for_nothing


@pytest.mark.parametrize(
    "text",
    [
        *(
            "thanks",
            "Thank you so much!!",
            "thx :)",
            "ty",
            "this is amazing, I love it",
            "nice one",
        ),
        *(
            "Sooooo cool",
            "niiiice",
            "haha",
            "LOL",
            "hahahaha that's so funny",
            "omg",
            "10/10",
            "100%",
        ),
        *(
            "❤️",
            "👍🏽👍🏽",
            "<:pog:123456789012345678>",
            "<a:yes:1> wow",
            "!!!",
            "",
            "  ",
            "#2 nice",
        ),
        *("Vielen Dank!", "sehr schön", "Das gefällt mir", "Danke dir, sieht super aus"),
        *("merci beaucoup", "C'est très beau !", "j'adore", "J’adore", "mdr"),
        *("muchas gracias", "¡Me encanta!", "jajaja", "qué bonito"),
        *("Muito obrigado", "ficou incrível", "kkkkk", "amei"),
        *("ありがとうございます！", "すごい！", "とてもきれいですね", "最高", "ｗｗｗ", "草"),
    ],
)
def test_remarks_ask_for_nothing(text: str) -> None:
    """In the languages of the bot."""
    assert asks_for_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        *("make it night", "at night", "more", "thanks, now make it night", "nice, but in snow"),
        *("cool colors", "a good dog", "--ar 16:9", "#2 at night", "blue", "in love", "on fire"),
        *(
            "Mach es blau, danke",
            "schöner Himmel",
            "plus sombre",
            "más oscuro, gracias",
            "mais azul",
        ),
        *("夜にして", "もっと明るく", "空をきれいに", "1️⃣"),
    ],
)
def test_wishes_are_no_remarks(text: str) -> None:
    """Also with thanks."""
    assert not asks_for_nothing(text)
