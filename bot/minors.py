"""The words of the one rule that nothing turns off: no sexual content with minors; pure.

A term of MINORS together with one of SEXUAL breaks the rule, in any order and language, and so does
a term of ALONE by itself. HARMLESS phrases count as neither. A star stands for any ending.

"Girl" is no term by itself, for it says nothing of an age in how most people write; nor are words
that mean something else in another of these languages ("kind", "nina", "bebe", "son", "junge").
"""

import re
from typing import Final

from bot.folding import folded


def _terms(table: str) -> tuple[str, ...]:
    return tuple(
        term for line in table.split("\n") for each in line.split(",") if (term := each.strip())
    )


ALONE: Final = _terms("""
    loli, lolis, lolicon*, shotas, shotacon*, toddlercon*, jailbait, csam, pthc, cunny, pedo,
    pedos, pedoph*, paedo*, kinderporn*, kiddie porn*, kiddy porn*, kidporn*, pédophil*, pedófil*,
    педофил*, лоликон*, ロリコン, ショタコン, 恋童, 戀童, 萝莉控, 正太控, 로리콘*, 쇼타콘*
""")

MINORS: Final = _terms("""
    child, children, childs, childrens, chyld, childlike, kid, kids, kiddo, kiddos, kiddie*,
    toddler*, infant, infants, infantile, newborn*, baby, babies, preteen*, pre teen*, tween,
    tweens, teen, teens, teenage*, adolescen*, pubescen*, prepubescen*, pre pubescen*, puberty,
    youngster*, underage*, under age*, minors, is a minor, minor girl*, minor boy*, female minor*,
    male minor*, juvenile, juveniles, boy, boys, little one, little ones, shota, lolita*,
    schoolgirl*, schoolboy*, schoolkid*, schoolchild*, school girl*, school boy*, school kid*,
    school child*, school age*, school uniform*, preschool*, pre school*, kindergart*,
    nursery school*, elementary school*, primary school*, grade school*, gradeschool*,
    middle school*, middleschool*, junior high*, jr high*, high school*, highschool*, girl scout*,
    boy scout*, cub scout*, brownie scout*, little girl*, lil girl*, small girl*, young girl*,
    younger girl*, little boy*, lil boy*, young boy*, little sister*, lil sis, little brother*,
    lil bro, tots, youths, little daughter*, young daughter*, little son, young son,
    little niece*, little nephew*, little lady, little ladies, aged down, age regress*,
    not an adult, not yet an adult, not yet adult, below the age of consent,
    under the age of consent, below age of consent

    niña, niñas, niño, niños, niñit*, una nina, la nina, las nina, unas ninas, ninas, ninos,
    un nino, el nino, nina desnuda, nino desnudo, desnuda nina, desnudo nino, menor de edad,
    menores de edad, infantil*, colegial*, adolescente*, preadolescente*, quinceañer*,
    quinceaner*, hijita*, hijito*, un bebe, el bebe, chiquill*, escolares, parvul*

    enfant*, fillette*, petite fille*, petites filles, jeune fille*, petit garcon*, garconnet*,
    gamin*, gosse*, bambin*, ados, une ado, un ado, mineure, mineures, ecolier*, ecoliere*,
    lyceen*, collegien*, nourrisson*, le bebe, les bebes

    kinder, kindern, kindes, kleinkind*, schulkind*, kindlich*, ein kind, das kind, dem kind,
    einem kind, kleines kind, kleine kind, nacktes kind, nackte kind, kind nackt, kleines madchen,
    kleine madchen, junges madchen, junge madchen, schulmadchen*, schulerin*, kleiner junge,
    kleine jungen, kleinen jungen, nackter junge, jugendliche*, minderjahrig*, saugling*,
    grundschul*, tochterchen

    criança*, menina*, menino*, garotinh*, menor de idade, menores de idade, o bebe, filhinh*

    bambina, bambine, bambino, bambini, bimba, bimbe, bimbo piccolo, bimbi, ragazzin*, minorenn*,
    neonat*, fanciull*, scolar*, scolarett*, liceal*

    ребенок*, ребенк*, дети, детей, детям, детьми, детях, детск*, девочк*, мальчик*, школьниц*,
    школьник*, подрост*, младен*, малолет*, несовершеннолет*, малыш*, лоли, малютк*

    児童, 子供, 子ども, こども, 幼女, 幼児, 少女, 少年, 小学生, 中学生, 高校生, 女子高生,
    女子中学生, 女児, 男児, 園児, 赤ちゃん, 赤ん坊, 未成年, ロリ, ショタ, 幼い, ロリータ, 兒童,
    儿童, 小孩, 孩子, 孩童, 萝莉, 蘿莉, 正太, 女童, 男童, 小女孩, 小男孩, 小姑娘, 初中生, 高中生,
    女学生, 婴儿, 嬰兒, 幼童, 幼儿, 宝宝, 寶寶

    어린이*, 어린아이*, 아이가, 아이를, 아이의, 아이는, 아이와, 아이들*, 어린 아이*, 꼬마*, 소녀*,
    소년*, 초등학생*, 중학생*, 고등학생*, 여고생*, 여중생*, 여학생*, 미성년*, 아동*, 유아, 유아의,
    유아가, 아기, 아기가, 아기의, 아기를, 로리, 쇼타
""")

SEXUAL: Final = _terms("""
    nude*, nud, nakid, nakd, nudity, nudism, nudist*, naked*, nekkid, unclothed, unclad, undress*,
    disrob*, topless, braless, pantyless, pantsless, skinny dip*, birthday suit, without clothes,
    without clothing, without any clothes, without any clothing, no clothes, no clothing,
    not wearing clothes, not wearing anything, wearing nothing, wears nothing, clothes off,
    clothing removed, clothes removed, exposed breast*, exposed chest, bare breast*,
    bare chested girl*, bare bottom*, bare ass, bare butt, bare buttocks, stripping, striptease*,
    strip tease*, stripper*, sex, sexy, sexier, sexiest, sexual*, sexting, sexo, sexe, sexuel*,
    sesso, sessual*, eroti*, porn, porno*, pornstar*, nsfw, r18, r 18, x rated, xrated, xxx,
    hentai, ecchi, ahegao, yiff*, rule34, rule 34, onlyfans, lewd*, seductive*, seducing,
    seduction, sensual*, horny, aroused, arousal, lustful*, lusty, kinky, fetish*, bdsm, bondage,
    dominatrix, molest*, rape, raped, rapes, raping, incest*, fuck, fucks, fucked, fucking,
    fucker, blowjob*, blow job*, handjob*, hand job*, footjob*, deepthroat*, fellatio,
    cunnilingus, cum, cums, cumming, cumshot*, creampie*, gangbang*, threesome*, orgy, orgies,
    intercourse, coitus, copulat*, foreplay, making love, masturbat*, orgasm*, ejaculat*,
    penetrat*, vibrator*, dildo*, genital*, penis*, vagina*, vulva*, clitor*, labia, pubic, pubes,
    testicle*, scrotum, anus, anal, erection*, nipple*, areola*, breasts, boob, boobs, boobies,
    tits, titties, titty, buttocks, crotch*, cameltoe*, camel toe*, pussy, pussies, cunt*, cock,
    cocks, dicks, big dick, huge dick, hard dick, his dick, suck dick, sucking dick, big ass,
    her ass, his ass, ass up, spread legs, spreading legs, legs spread, spread eagle*, upskirt*,
    panty, panties, thong, thongs, g string*, lingerie, bra, bras, underwear, undies, negligee*,
    micro bikini*, microbikini*, see through dress*, see through shirt*, see through clothes,
    see through top*, see through clothing, slut*, whore*, prostitut*, milf*, futanari, oppai,
    paizuri, sexualiz*, sexualis*, provocative pose*, suggestive pose*, seductively, sexual pose*

    desnud*, sin ropa, encuer*, tetas, ropa interior, lenceria, follando, follar, coño, polla

    nu, nue, nus, nues, nudité, denude*, deshabill*, sans vetement*, seins, lingerie, culotte*,
    baise

    nackt*, nackig*, nackert*, unbekleidet*, entblosst*, ohne kleidung, ohne kleider, unterwasche,
    hoschen, dessous, titten, bruste, ficken, fickt, gefickt, sexuell*, geschlechtsverkehr

    nua, nuas, pelado, pelada, pelados, peladas, sem roupa, sem roupas, calcinha, seios, transando

    nuda, nudo, nudi, spogliat*, svestit*, senza vestiti, mutandin*, tette, scopare,
    biancheria intima

    голый, голая, голое, голые, голого, голой, голую, голым, голых, голыми, голышом, обнажен*,
    обнажён*, нагой, нагая, нагие, нагую, нагих, нагишом, раздет*, раздева*, без одежды, секс*,
    эроти*, порно*, трах*, нижнее белье, нижнем белье, интимн*, развратн*

    裸, ヌード, セックス, エロ, エロい, エロティック, エッチ, ポルノ, 性的, 性行為, 性交, 全裸,
    半裸, 下着, パンティ, パンティー, おっぱい, わいせつ, 官能, レイプ, はだか, すっぽんぽん,
    色情, 性爱, 性愛, 做爱, 做愛, 性感, 情色, 淫, 黄片, 内衣, 內衣, 内裤, 內褲, 没穿衣服,
    不穿衣服, 脱光, 脫光

    누드*, 나체*, 알몸*, 벌거벗*, 벗은*, 섹스*, 섹시*, 야한, 에로*, 포르노*, 음란*, 속옷*,
    성관계*, 성적인*, 야동*
""")

HARMLESS: Final = _terms("""
    naked mole rat*, naked eye*, naked cake*, naked flame*, naked singularit*,
    teenage mutant ninja turtle*, great tits, blue tits, coal tits, marsh tits, cum laude,
    same sex, pussy willow*, pussy cat*, game boy*, boy short*, boy band*, beach boys,
    backstreet boys, bad boys, multiple boys, kid glove*, kid leather, baby doll*, baby blue,
    baby pink, baby oil, baby shark*, baby yoda, baby groot, baby dragon*, baby bird*,
    baby animal*, baby elephant*, baby fox*, chicken breasts, turkey breasts, duck breasts,
    rape field*, rape seed*, cock and hen*, cock robin, weather cock*, billy the kid, kid rock,
    kid goat*, destiny s child, high school teacher*, elementary school teacher*,
    primary school teacher*, middle school teacher*, kindergarten teacher*, preschool teacher*,
    bottle nipple*, pieds nus, pied nu, pieds nu, pies desnudos, piedi nudi, pes nus, tete nue,
    mains nues, nu metal, sex pistols, nacktmull*, nacktschneck*, jogando pelada, jogar pelada,
    pelada de futebol, 裸足, 裸眼, 裸子植物, 裸麦, 소녀시대
""")

_NUMBERS: Final = _terms("""
    one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen,
    fifteen, sixteen, seventeen, un, dos, tres, cuatro, cinco, seis, siete, ocho, nueve, diez,
    once, doce, trece, catorce, quince, dieciseis, diecisiete, deux, trois, quatre, cinq, sept,
    huit, neuf, dix, onze, douze, treize, quatorze, quinze, seize, ein, zwei, drei, vier, funf,
    sechs, sieben, acht, neun, zehn, elf, zwolf, dreizehn, vierzehn, funfzehn, sechzehn, siebzehn,
    dois, quatro, sete, oito, nove, dez, doze, treze, dezesseis, dezassete, due, tre, quattro,
    cinque, sette, otto, dieci, undici, dodici, tredici, quattordici, quindici, sedici,
    diciassette
""")
_DIGITS: Final = "(?:1[0-7]|0?[0-9])"
_AGE: Final = rf"(?:{_DIGITS}|{'|'.join(_NUMBERS)}|(?:dix|dez|dieci) (?:sept|sete))"
_CLEAR: Final = rf"(?:{_DIGITS}|nine|ten|\w+teen|eleven|twelve)(?<!eighteen)(?<!nineteen)"
"""Without numbers that are also other words."""
_YEARS: Final = (
    r"(?:y|year|years|yr|yrs) ?(?:o|old\w*|of age|girls?|boys?|females?|males?)|yo|yos|yearold\w*"
    r"|yrold\w*|ans|anni|anos|años|jahre (?:alt|jung)\w*|jahrig\w*"
    rf"|{folded('лет')}|{folded('года')}|{folded('летн')}\w*"
)
_NO_AGE: Final = "".join(
    f"(?<!{era} )" for era in ("stone", "ice", "iron", "bronze", "space", "golden", "dragon")
)
_HAN_YEARS: Final = "[岁歳才歲]"
AGES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_AGE} (?:{_YEARS})\b",
        rf"\b{_NO_AGE}(?:age|aged|ages|edad|idade|eta) (?:of |is |de |di )?{_AGE}\b",
        r"\b(?:she|he|they|girl|boy|who|i) (?:is|was|s|am|are|looks|looks like|turned|turning) "
        rf"{_CLEAR} (?:,|and\b|$)",
        rf"\bbarely {_CLEAR}(?: ,| and|$)",
        rf"\b(?:girl|boy|daughter|son|sister|brother) (?:of |, ){_CLEAR}(?: ,|$)",
        r"\b(?:under|below|younger than|less than|not yet) (?:the age of )?(?:18|eighteen)\b",
        r"\b(?:little|lil|young|younger|youngest|small) "
        r"(?:(?!(?:wo)?m[ae]n|adults?|lad|and)\w+ ){0,2}(?:girls?|boys?|daughters?)\b",
        r"\b(?:1[0-2]|[1-9]) (?:st|nd|rd|th) grade\w*",
        r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth) grader\w*",
        r"(?<!\bin [a-g] )(?<!\basia )(?<!\bursa )(?<!\bcanis )\bminor(?: ,|$)",
        rf"(?<!\d)(?:1[0-7]|[0-9]) (?:{_HAN_YEARS}|살|세(?![기대]))",
        rf"(?<![一二三四五六七八九十百])(?:十[一二三四五六七]?|[一二三四五六七八九]){_HAN_YEARS}",
    )
)
"""Ages below 18 in plain writing: words and numbers with single blanks between, "," for a pause."""

NO_CLOTHES: Final = _terms("""
    clothes, clothing, clothed, dressed, fully clothed, fully dressed, garments, outfit
""")
"""What a negative prompt must not take away where there are minors."""
NO_ADULTS: Final = _terms("adult, adults, grown up, grown ups, grownup, grownups")
"""What a negative prompt must not take away from what is sexual."""
