"""The word lists of the rule against sexual content with minors; pure.

A prompt violates the rule with a term of MINORS and one of SEXUAL, in any order and language, or
with one of ALONE. HARMLESS phrases are removed first. A * at the end stands for any ending.

"girl" is not in MINORS, because most people write it for adults too; nor are words that mean
something else in another of these languages ("kind", "nina", "bebe", "son", "junge").
"""

import re
from collections.abc import Iterator
from typing import Final


def _terms(table: str) -> tuple[str, ...]:
    return tuple(
        term for line in table.split("\n") for part in line.split(",") if (term := part.strip())
    )


def _mistyped(table: str) -> Iterator[str]:
    """Each word with two adjacent letters after the first one swapped."""
    for word in _terms(table):
        for i in range(1, len(word) - 1):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


ALONE: Final = _terms("""
    loli, lolis, lolicon*, shotas, shotacon*, toddlercon*, jailbait, csam, pthc, cunny, pedo, pedos,
    pedoph*, pedoporn*, paedo*, kindersex*, kinderpornograf*, kinderporn*, kiddie porn*,
    kiddy porn*, kidporn*, pédophil*, pedófil*, педофил*, лоликон*, ロリコン, ショタコン, 恋童,
    戀童, 萝莉控, 正太控, 로리콘*, 쇼타콘*
""")

MINORS: Final = (
    *_mistyped("child, children, kids, toddler, teenage, teenager, preteen, underage"),
    *_terms("""
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
    lil bro, tots, youths, little daughter*, young daughter*, little son, young son, little niece*,
    little nephew*, little lady, little ladies, aged down, age regress*, not an adult,
    not yet an adult, not yet adult, below the age of consent, under the age of consent,
    below age of consent, chld, chldrn, girlchild, boychild, school pupil*, youngling*, nymphet*,
    teenie, teenies, teenybopper*, girl guide*, tiny girl*, tiny boy*, wee girl*, wee lass*,
    wee boy*, minor aged, not of legal age, below legal age, under legal age, not yet legal,
    sweet sixteen, choirboy*, secondary school*, sixth form*, sixth former*, in elementary

    niña, niñas, niño, niños, niñit*, una nina, la nina, las nina, unas ninas, ninas, ninos,
    un nino, el nino, nina desnuda, nino desnudo, desnuda nina, desnudo nino, menor de edad,
    menores de edad, infantil*, colegial*, adolescente*, preadolescente*, quinceañer*, quinceaner*,
    hijita*, hijito*, un bebe, el bebe, chiquill*, escolares, parvul*, nena desnud*, nene desnud*,
    nenas, nenes, bebe desnud*, bebes desnud*, jovencit*, escolar desnud*, menor desnud*,
    chica menor, chicas menores, de menores, de secundaria

    enfant*, fillette*, petite fille*, petites filles, jeune fille*, petit garcon*, garconnet*,
    gamin*, gosse*, bambin*, ados, une ado, un ado, mineure, mineures, ecolier*, ecoliere*, lyceen*,
    collegien*, nourrisson*, le bebe, les bebes, garcon, garcons, bebe nu, bebe nue, bebes nus,
    bebes nues, ado nu, ado nue, ados nues

    kinder, kindern, kindes, kleinkind*, schulkind*, kindlich*, ein kind, das kind, dem kind,
    einem kind, kleines kind, kleine kind, nacktes kind, nackte kind, kind nackt, kleines madchen,
    kleine madchen, junges madchen, junge madchen, schulmadchen*, schulerin*, kleiner junge,
    kleine jungen, kleinen jungen, nackter junge, jugendliche*, minderjahrig*, saugling*,
    grundschul*, tochterchen, kind ohne, bub nackt, nackter bub, nackte buben, junge nackt,
    nacktes madel, madel nackt, zwolfjahrig*, elfjahrig*, zehnjahrig*, neunjahrig*, achtjahrig*,
    siebenjahrig*, sechsjahrig*, dreizehnjahrig*, vierzehnjahrig*, funfzehnjahrig*, sechzehnjahrig*,
    siebzehnjahrig*

    kinderen, kinderlijk*, een kind, het kind, naakt kind, bloot kind, kind naakt, kind bloot,
    kleuter*, peuter, peuters, schoolmeisje*, schoolmeid*, schooljongen*, schoolkind*,
    klein meisje*, kleine meisje*, jong meisje, jonge meisje*, jongetje*, kleine jongen*,
    naakte jongen, naakte jongens, blote jongen, blote jongens, minderjarig*, tiener*, puber,
    pubers, zuigeling*, dreumes*, basisschool*, achtjarig*, negenjarig*, tienjarig*, elfjarig*,
    twaalfjarig*, dertienjarig*, veertienjarig*, vijftienjarig*, zestienjarig*, zeventienjarig*

    criança*, menina*, menino*, garotinh*, menor de idade, menores de idade, o bebe, filhinh*,
    menininh*, moleque*, bebe nua, novinha*, guria*, pirralh*, garota menor, garotas menores,
    ensino fundamental

    bambina, bambine, bambino, bambini, bimba, bimbe, bimbo piccolo, bimbi, ragazzin*, minorenn*,
    neonat*, fanciull*, scolar*, scolarett*, liceal*, undicenn*, dodicenn*, tredicenn*,
    quattordicenn*, quindicenn*, sedicenn*, diciassettenn*

    ребенок*, ребенк*, дети, детей, детям, детьми, детях, детск*, девочк*, мальчик*, школьниц*,
    школьник*, подрост*, младен*, малолет*, несовершеннолет*, малыш*, лоли, малютк*, дитя, девчонк*,
    девчушк*, мальчонк*, ребятишк*, восьмилетн*, девятилетн*, десятилетн*, одиннадцатилетн*,
    двенадцатилетн*, тринадцатилетн*, четырнадцатилетн*, пятнадцатилетн*, шестнадцатилетн*,
    первоклассни*, второклассни*, третьеклассни*, пятиклассни*, шестиклассни*, семиклассни*,
    восьмиклассни*, девятиклассни*, старшеклассни*, семнадцатилетн*, devochk*, malchik*, shkolnic*,
    дитина, дитини, дівчинк*, хлопчик*

    児童, 子供, 子ども, こども, 幼女, 幼児, 少女, 少年, 小学生, 中学生, 高校生, 女子高生,
    女子中学生, 女児, 男児, 園児, 赤ちゃん, 赤ん坊, 未成年, ロリ, ショタ, 幼い, ロリータ, 兒童,
    儿童, 小孩, 孩子, 孩童, 萝莉, 蘿莉, 正太, 女童, 男童, 小女孩, 小男孩, 小姑娘, 初中生, 高中生,
    女学生, 学生妹, 學生妹, 初中女生, 高中女生, 女高中生, 女初中生, 幼齿, 幼齒, 男の子, おとこのこ,
    ようじょ, しょうじょ, こどもたち, 婴儿, 嬰兒, 幼童, 幼儿, 宝宝, 寶寶

    어린이*, 어린아이*, 아이가, 아이를, 아이의, 아이는, 아이와, 아이들*, 어린 아이*, 꼬마*, 소녀*,
    소년*, 초등학생*, 중학생*, 고등학생*, 여고생*, 여중생*, 여학생*, 미성년*, 아동*, 여자아이*,
    남자아이*, 여자애*, 아이, 유아, 유아의, 유아가, 아기, 아기가, 아기의, 아기를, 로리, 쇼타

    dziecko, dzieci, dziewczynk*, chlopczyk*, nastolatk*, nastolet*, dziesieciolet*, jedenastolat*,
    jedenastolet*, dwunastolat*, dwunastolet*, trzynastolat*, trzynastolet*, czternastolat*,
    czternastolet*, pietnastolat*, pietnastolet*, szesnastolat*, szesnastolet*, siedemnastolat*,
    siedemnastolet*, flicka, flickor, flickan, pojke, pojkar, tonaring*, pige, piger, smapige*,
    dreng, drenge, liten jente, lita jente, sma jenter, jentunge*, liten gutt, smagutt*, lapsi,
    lapset, lapsia, lapsen, pikkutytto*, pieni tytto*, pikkupoika*, pieni poika*, alaikai*,
    koululai*, holcick*, chlapec*, skolack*, nezletil*, dievcatk*, gyerek*, gyermek*, kislany*,
    kisfiu*, kiskoru*, fetita*, fetite*, baietel*, djevojcic*, devojcic*, djecak*, decak*, dijete,
    djeca, дете, деца, момиченц*, момченц*, tre em, be gai, be trai, bocah, anak perempuan,
    anak sekolah, เด็ก, cocuk, cocuklar, kucuk kiz, copil, copii, copila, naken barn, naket barn,
    nakna barn, nogent barn, nogne born, nakent barn, anak telanjang, anak kecil, dite, deti, طفل,
    طفلة, اطفال, قاصر, ילד, ילדה, ילדים, बच्चा, बच्ची, बच्चे, παιδι, παιδια
"""),
)

SEXUAL: Final = (
    *_mistyped("nude, naked, topless, porn"),
    *_terms("""
    nude*, nud, nakid, nakd, nudity, nudism, nudist*, naked*, nekkid, unclothed, unclad, undress*,
    disrob*, topless, braless, pantyless, pantsless, skinny dip*, birthday suit, without clothes,
    without clothing, without any clothes, without any clothing, no clothes, no clothing,
    not wearing clothes, not wearing anything, wearing nothing, wears nothing, clothes off,
    clothing removed, clothes removed, exposed breast*, exposed chest, bare breast*,
    bare chested girl*, bare bottom*, bare ass, bare butt, bare buttocks, stripping, striptease*,
    strip tease*, stripper*, sex, sexy, sexier, sexiest, sexual*, sexting, sexo, sexe, sexuel*,
    sesso, sessual*, eroti*, porn, porno*, pornstar*, nsfw, r18, r 18, x rated, xrated, xxx, hentai,
    ecchi, ahegao, yiff*, rule34, rule 34, onlyfans, lewd*, seductive*, seducing, seduction,
    sensual*, horny, aroused, arousal, lustful*, lusty, kinky, fetish*, bdsm, bondage, dominatrix,
    molest*, rape, raped, rapes, raping, incest*, fuck, fucks, fucked, fucking, fucker, blowjob*,
    blow job*, handjob*, hand job*, footjob*, deepthroat*, fellatio, cunnilingus, cum, cums,
    cumming, cumshot*, creampie*, gangbang*, threesome*, orgy, orgies, intercourse, coitus,
    copulat*, foreplay, making love, masturbat*, orgasm*, ejaculat*, penetrat*, vibrator*, dildo*,
    genital*, penis, penises, penile, vagina*, vulva*, clitor*, labia, pubic, pubes, testicle*,
    scrotum, anus, anal, erection*, nipple*, areola*, breasts, boob, boobs, boobies, tits, titties,
    titty, buttocks, crotch*, cameltoe*, camel toe*, pussy, pussies, cunt*, cock, cocks, dicks,
    big dick, huge dick, hard dick, his dick, suck dick, sucking dick, big ass, her ass, his ass,
    ass up, spread legs, spreading legs, legs spread, spread eagle*, upskirt*, panty, panties,
    thong, thongs, g string*, lingerie, bra, bras, underwear, undies, negligee*, micro bikini*,
    microbikini*, see through dress*, see through shirt*, see through clothes, see through top*,
    see through clothing, slut*, whore*, prostitut*, milf*, futanari, oppai, paizuri, sexualiz*,
    sexualis*, provocative pose*, suggestive pose*, seductively, sexual pose*, provocative,
    provocatively, with nothing on, has nothing on, bottomless, naturist*, in the buff, au naturel,
    stripped, strips off, strip off, nkd, nvde, naket, neked, nekid, nekked, nakey, newd, newds,
    private parts, showing privates, her privates, his privates, s butt, her butt, his butt, s ass,
    child ass, kid ass, teen ass, s arse, child arse, uncensored, smut, smutty, explicit, boner,
    boners, hardon, deflower*, fondl*, grope, groped, gropes, groping, sodom*, jerking off,
    jerks off, jerk off, jacking off, wank, wanks, wanking, fingering herself, fingering himself,
    golden shower*, fishnet stocking*, cleavage, transparent cloth*, transparent dress*,
    transparent shirt*, sheer cloth*, sheer dress*, sheer top, sheer nightgown*, wet t shirt*,
    wet tshirt*, hooker, hookers, skinny dipp*

    desnud*, sin ropa, sin bragas, bragas, en cueros, pornograf*, encuer*, tetas, ropa interior,
    lenceria, follando, follar, coño, polla

    nu, nue, nus, nues, nudité, denude*, deshabill*, sans vetement*, sous vetement*, seins,
    lingerie, culotte*, baise

    nackt*, nackig*, nackert*, unbekleidet*, entblosst*, ohne kleidung, ohne kleider, unterwasche,
    hoschen, dessous, titten, bruste, ficken, fickt, gefickt, sexuell*, geschlechtsverkehr,
    splitternackt*, splitterfasernackt*, oben ohne, unten ohne

    naakt*, bloot, blote, ontbloot*, ontkleed*, uitgekleed*, zonder kleren, zonder kleding,
    zonder ondergoed, ondergoed, slipje, borsten, tieten, seks, seksueel, seksuele, neuken

    nua, nuas, pelado, pelada, pelados, peladas, sem roupa, sem roupas, calcinha, seios, transando

    nuda, nudo, nudi, spogliat*, svestit*, senza vestiti, senza mutande, in mutande, mutandin*,
    tette, scopare, biancheria intima

    голый, голая, голое, голые, голого, голой, голую, голым, голых, голыми, голышом, обнажен*,
    обнажён*, нагой, нагая, нагие, нагую, нагих, нагишом, раздет*, раздева*, без одежды, секс*,
    эроти*, порно*, трах*, нижнее белье, нижнем белье, интимн*, развратн*, голеньк*, без трусов,
    без трусиков, в трусиках, в белье, топлес*, golaya, golay*, golye, goly, гола, голий, голі

    裸, ヌード, セックス, エロ, エロい, エロティック, エッチ, ポルノ, 性的, 性行為, 性交, 全裸,
    半裸, 下着, パンティ, パンティー, おっぱい, わいせつ, 官能, レイプ, はだか, すっぽんぽん, 色情,
    性爱, 性愛, 做爱, 做愛, 性感, 情色, 淫, 黄片, 内衣, 內衣, 内裤, 內褲, 没穿衣服, 不穿衣服, 脱光,
    脫光, 一丝不挂, 一絲不掛, 光着身子, 光著身子, 光屁股, 脱衣, 脫衣, 露点, 露點

    누드*, 나체*, 알몸*, 벌거벗*, 벗은*, 섹스*, 섹시*, 야한, 에로*, 포르노*, 음란*, 속옷*, 성관계*,
    성적인*, 야동*, 옷 벗은, 옷을 벗은, 발가벗*

    nago, nagich, rozebran*, nagie dziec*, nagi chlop*, naga dziew*, ciplak*, naken, nakna,
    nakent, naket, nogen, nogent, nogne, alaston, alastom*, alasti*, meztelen*, dezbracat*,
    despuiat*, naha holc*, nahe holc*, nahy chlap*, gola djev*, gola dev*, goli djec*, goli dec*,
    golo dijete, telanjang, bugil, khoa than, เปลือย, nahe dite, nahe deti, عاري, عارية, عراة,
    ערום, עירום, ערומה,
    नंगा, नंगी, नंगे, γυμνο, γυμνα, γυμνη
"""),
)

HARMLESS: Final = _terms("""
    naked mole rat*, naked baby mole rat*, naked tree*, naked branch*, naked truth, nude descending,
    anal fin*, naked juice, naked neck chicken*, naked lady flower*, nude lipstick*, nude lip colo*,
    nude heels, nude colo* palette*, nude palette*, nude tones, nude makeup, nude nail polish,
    brass, crotchet*, crotchety, boy george, comme des garcons, garcon de cafe, baby shower*,
    baby bump*, hey baby, bad boy, toy boy, sex education, sexual education, sex ed, kinky hair,
    kinky curl*, wire stripper*, paint stripper*, thong sandal*, flip flop thong*,
    blue footed boob*, booby bird*, boob tube, boobies bird*, voodoo fetish*, rape blossom*,
    rape oil, cock crow*, cocks crow*, cock fight*, rooster cock, cock a doodle*,
    sunlight penetrat*, light penetrat*, fog penetrat*, riot of colors, orgy of colo*,
    bottomless pit*, bottomless well*, bottomless abyss*, bottomless coffee*, bottomless brunch*,
    bottomless drink*, stripped paint*, nothing on tv, john lee hooker, stripped down,
    stripped log*, stripped bark*, stripped wood*, stripped pine*, naked eye*, naked cake*,
    naked flame*, naked singularit*, teenage mutant ninja turtle*, great tits, blue tits, coal tits,
    marsh tits, cum laude, same sex, pussy willow*, pussy cat*, game boy*, boy short*, boy band*,
    beach boys, backstreet boys, bad boys, multiple boys, kid glove*, kid leather, baby doll*,
    baby blue, baby pink, baby oil, baby shark*, baby yoda, baby groot, baby dragon*, baby bird*,
    baby animal*, baby elephant*, baby fox*, chicken breasts, turkey breasts, duck breasts,
    rape field*, rape seed*, cock and hen*, cock robin, weather cock*, billy the kid, kid rock,
    baby bottle*, kid goat*, destiny s child, high school teacher*, elementary school teacher*,
    primary school teacher*, middle school teacher*, kindergarten teacher*, preschool teacher*,
    bottle nipple*, pieds nus, pied nu, pieds nu, pies desnudos, piedi nudi, pes nus, tete nue,
    mains nues, nu metal, sex pistols, nacktmull*, nacktschneck*, jogando pelada, jogar pelada,
    pelada de futebol, 裸足, 裸眼, 裸子植物, 裸麦, 소녀시대
""")

UNDRESSING: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:tak\w+|took|remov\w+|pull\w+|peel\w+|strip\w+|slip\w+) (?:off )?(?:of )?"
        r"(?:all )?(?:her|his|their|its|the) (?:\w+ ){0,2}(?:clothes|clothing|panties|underwear)\b",
        r"\b(?:tak\w+|took|pull\w+|peel\w+|strip\w+) off (?:all )?(?:clothes|clothing|panties)\b",
        r"\bremov\w+ (?:all )?(?:clothes|clothing)\b(?! (?:from|off) )",
        r"\bwearing (?:only|just) (?:\w+ )?(?:socks|stockings|apron|heels|ribbons?)\b",
        r"\b(?:wearing|in) nothing (?:but|except)\b",
        r"\bwith nothing (?:on )?but (?:\w+ ){0,2}(?:socks|hat|towel|apron|ribbons?|shoes)\b",
    )
)
"""Phrases for undressing, in `Text.plain`."""

NOT_BACKWARDS: Final = frozenset({"soda", "neet", "lana", "suna", "sanin", "epar", "dekan"})
"""Reversed terms that are words: they do not make a prompt read backwards."""
BACKWARDS: Final = frozenset({"lrig", "slrig", "raey", "elttil"})
"""Further reversed words for which a prompt is read backwards."""
AFFIXES: Final = ("girls", "girl", "yearold", "yearsold", "little", "young", "the", "a")
"""Words that may be joined with two terms: "nakedyounggirl" is three words without spaces."""

NO_CLOTHES: Final = _terms("""
    clothes, clothing, clothed, dressed, fully clothed, fully dressed, garments, outfit, clothings,
    attire, apparel, kleidung, kleider, bekleidung, vetements, habits, ropa, vestimenta, roupa,
    roupas, vestiti, indumenti, kleren, kleding, одежда, одежды, 服, 洋服, 衣服, 着衣, 衣物, 옷
""")
"""Terms that a negative prompt must not exclude if the prompt has minors."""
NO_ADULTS: Final = _terms("""
    adult, adults, grown up, grown ups, grownup, grownups, mature woman, mature female*, mature man,
    over 18, erwachsen*, adulte, adultes, adulta, adultas, adulto, adultos, adulti, volwassen*,
    взрослые, взрослый, взрослая, 大人, 成人, 成年, 성인, 어른
""")
"""Terms that a negative prompt must not exclude if the prompt is sexual."""
