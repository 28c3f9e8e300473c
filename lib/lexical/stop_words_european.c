/*
 * Stop words of further languages: see stop_words.h.
 *
 * Closed classes only, as in stop_words.c; each list in byte order, in lower case and with accents,
 * which these languages keep until words are stemmed.
 */
#include "lexical/stop_words_internal.h"

/* clang-format off */
static const char *const dutch[] = {
    "aan", "achter", "al", "alle", "alleen", "als", "altijd", "ander", "andere", "ben", "bij",
    "binnen", "boven", "daar", "dan", "dat", "de", "deze", "die", "dit", "doch", "doen", "door",
    "dus", "echter", "een", "eens", "en", "er", "ge", "geen", "geweest", "haar", "had", "hadden",
    "heb", "hebben", "hebt", "heeft", "hem", "het", "hier", "hij", "hoe", "hun", "iemand", "iets",
    "ik", "in", "indien", "is", "ja", "je", "jij", "jou", "jouw", "jullie", "kan", "kon",
    "konden", "kunnen", "maar", "me", "meer", "men", "met", "mij", "mijn", "moet", "moeten",
    "mogen", "na", "naar", "niet", "niets", "nog", "nu", "of", "om", "omdat", "onder", "ons",
    "onze", "ook", "op", "over", "reeds", "sinds", "te", "tegen", "toch", "toen", "tot", "tussen",
    "u", "uit", "uw", "van", "vanaf", "veel", "voor", "waar", "waarom", "wanneer", "want",
    "waren", "was", "wat", "wel", "welk", "welke", "werd", "werden", "wie", "wij", "worden",
    "wordt", "zal", "ze", "zelf", "zich", "zij", "zijn", "zo", "zoals", "zonder", "zou", "zouden",
    "zullen",
};

static const char *const french[] = {
    "ai", "aie", "ait", "alors", "as", "au", "aucun", "aucune", "auquel", "aura", "aurait",
    "aussi", "autre", "autres", "aux", "auxquelles", "auxquels", "avaient", "avait", "avec",
    "avez", "avoir", "avons", "c", "car", "ce", "ceci", "cela", "celle", "celles", "celui", "ces",
    "cet", "cette", "ceux", "chaque", "chez", "ci", "comme", "comment", "d", "dans", "de",
    "depuis", "des", "desquelles", "desquels", "donc", "dont", "du", "duquel", "elle", "elles",
    "en", "encore", "entre", "es", "est", "et", "eu", "eux", "faire", "fait", "il", "ils", "j",
    "je", "jusqu", "l", "la", "laquelle", "le", "lequel", "les", "lesquelles", "lesquels", "leur",
    "leurs", "lors", "lorsqu", "lorsque", "lui", "là", "m", "ma", "mais", "me", "mes", "moi",
    "moins", "mon", "même", "mêmes", "n", "ne", "ni", "nos", "notre", "nous", "on", "ont", "ou",
    "où", "par", "parce", "pas", "pendant", "peu", "peut", "peuvent", "plus", "pour", "pourquoi",
    "puis", "puisqu", "qu", "quand", "que", "quel", "quelle", "quelles", "quels", "qui", "quoi",
    "quoiqu", "s", "sa", "sans", "se", "selon", "sera", "serait", "ses", "si", "soi", "soit",
    "sommes", "son", "sont", "sous", "suis", "sur", "t", "ta", "te", "tes", "toi", "ton", "tous",
    "tout", "toute", "toutes", "très", "tu", "un", "une", "vers", "vos", "votre", "vous", "à",
    "ça", "étaient", "était", "étant", "été", "êtes", "être",
};

static const char *const german[] = {
    "aber", "alle", "allem", "allen", "aller", "alles", "als", "also", "am", "an", "ander",
    "andere", "anderem", "anderen", "anderer", "anderes", "auch", "auf", "aus", "bei", "beim",
    "bin", "bis", "bist", "da", "damit", "dann", "das", "dass", "dein", "deine", "deinem",
    "deinen", "deiner", "dem", "den", "denn", "der", "deren", "des", "dessen", "dich", "die",
    "dies", "diese", "dieselbe", "dieselben", "diesem", "diesen", "dieser", "dieses", "dir",
    "doch", "dort", "du", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "einig",
    "einige", "einigem", "einigen", "einiger", "einiges", "er", "es", "etwas", "euch", "euer",
    "eure", "eurem", "euren", "eurer", "für", "gegen", "gewesen", "hab", "habe", "haben", "hat",
    "hatte", "hatten", "hattest", "hattet", "hier", "hin", "hinter", "ich", "ihm", "ihn", "ihnen",
    "ihr", "ihre", "ihrem", "ihren", "ihrer", "im", "in", "indem", "ins", "ist", "ja", "jede",
    "jedem", "jeden", "jeder", "jedes", "jene", "jenem", "jenen", "jener", "jenes", "kann",
    "kein", "keine", "keinem", "keinen", "keiner", "können", "könnte", "machen", "man", "manche",
    "manchem", "manchen", "mancher", "manches", "mein", "meine", "meinem", "meinen", "meiner",
    "mich", "mir", "mit", "muss", "musste", "nach", "nicht", "noch", "nun", "nur", "ob",
    "oder", "ohne", "sehr", "seid", "sein", "seine", "seinem", "seinen", "seiner", "selbst",
    "sich", "sie", "sind", "so", "solche", "solchem", "solchen", "solcher", "soll", "sollte",
    "sondern", "sonst", "sowie", "um", "und", "uns", "unser", "unsere", "unserem", "unseren",
    "unserer", "unter", "viel", "vom", "von", "vor", "wann", "war", "waren", "warst", "warum",
    "was", "weil", "welche", "welchem", "welchen", "welcher", "welches", "wem", "wen", "wenn",
    "wer", "werde", "werden", "werdet", "weshalb", "wie", "wieder", "wieso", "will", "wir",
    "wird", "wirst", "wo", "wobei", "woher", "wohin", "wollen", "wollte", "während", "würde",
    "würden", "zu", "zum", "zur", "zwar", "zwischen", "über",
};

static const char *const italian[] = {
    "a", "abbiamo", "ad", "agli", "ai", "al", "alcuni", "alla", "alle", "allo", "anche", "ancora",
    "avete", "aveva", "avevano", "che", "chi", "ci", "ciò", "coi", "col", "come", "con", "cosa",
    "così", "cui", "da", "dagli", "dai", "dal", "dalla", "dalle", "dallo", "degli", "dei", "del",
    "della", "delle", "dello", "di", "dopo", "dove", "durante", "e", "ed", "egli", "era", "erano",
    "essa", "esse", "essere", "essi", "esso", "fino", "fra", "ha", "hai", "hanno", "ho", "i",
    "il", "in", "io", "la", "le", "lei", "li", "lo", "loro", "lui", "ma", "me", "mentre", "mi",
    "mia", "mie", "miei", "mio", "molto", "ne", "negli", "nei", "nel", "nella", "nelle", "nello",
    "no", "noi", "non", "nostra", "nostre", "nostri", "nostro", "o", "ogni", "oppure", "per",
    "perché", "perciò", "però", "più", "poi", "può", "quale", "quali", "quando", "quanto",
    "quella", "quelle", "quelli", "quello", "questa", "queste", "questi", "questo", "qui",
    "quindi", "sarà", "se", "senza", "si", "sia", "siamo", "siete", "sono", "sopra", "sotto",
    "sta", "stata", "stati", "stato", "su", "sua", "sue", "sugli", "sui", "sul", "sulla", "sulle",
    "sullo", "suo", "suoi", "ti", "tra", "tu", "tua", "tue", "tuo", "tuoi", "tutta", "tutte",
    "tutti", "tutto", "un", "una", "uno", "vi", "voi", "vostra", "vostre", "vostri", "vostro",
    "è",
};

static const char *const portuguese[] = {
    "a", "ainda", "algum", "alguma", "algumas", "alguns", "ao", "aos", "aquela", "aquelas",
    "aquele", "aqueles", "aquilo", "as", "até", "cada", "com", "como", "contra", "cuja", "cujo",
    "da", "das", "de", "dela", "delas", "dele", "deles", "depois", "desde", "do", "dos",
    "durante", "e", "ela", "elas", "ele", "eles", "em", "enquanto", "entre", "era", "eram",
    "essa", "essas", "esse", "esses", "esta", "estas", "estava", "estavam", "este", "estes",
    "está", "estão", "eu", "foi", "foram", "havia", "isso", "isto", "já", "lhe", "lhes", "lo",
    "mais", "mas", "me", "mesmo", "meu", "meus", "minha", "minhas", "muito", "muitos", "na",
    "nas", "nem", "no", "nos", "nossa", "nossas", "nosso", "nossos", "num", "numa", "não", "nós",
    "o", "onde", "os", "ou", "outra", "outras", "outro", "outros", "para", "pela", "pelas",
    "pelo", "pelos", "pois", "por", "porque", "porém", "quais", "qual", "quando", "quanto", "que",
    "quem", "se", "seja", "sem", "ser", "será", "seu", "seus", "si", "sido", "sob", "sobre",
    "sua", "suas", "são", "só", "também", "te", "tem", "tinha", "tinham", "toda", "todas", "todo",
    "todos", "tu", "tua", "tuas", "têm", "um", "uma", "umas", "uns", "você", "vocês", "vos", "à",
    "às", "é",
};

static const char *const spanish[] = {
    "a", "acerca", "ahora", "al", "algo", "algunas", "algunos", "ante", "antes", "aquel",
    "aquella", "aquellas", "aquellos", "aquí", "así", "aunque", "cada", "como", "con", "contra",
    "cual", "cuales", "cuando", "cuya", "cuyo", "cuál", "cuáles", "cuándo", "cuánto", "cómo",
    "de", "del", "desde", "donde", "dos", "durante", "dónde", "e", "el", "ella", "ellas", "ellos",
    "en", "entre", "era", "eran", "es", "esa", "esas", "ese", "eso", "esos", "esta", "estaba",
    "estaban", "estado", "estamos", "estar", "estas", "este", "esto", "estos", "está", "están",
    "fue", "fueron", "ha", "haber", "había", "habían", "hace", "han", "hasta", "hay", "la", "las",
    "le", "les", "lo", "los", "me", "mi", "mientras", "mis", "mucho", "muchos", "muy", "más",
    "mí", "nada", "ni", "no", "nos", "nosotros", "nuestra", "nuestras", "nuestro", "nuestros",
    "o", "os", "otra", "otras", "otro", "otros", "para", "pero", "poco", "por", "porque", "pues",
    "que", "quien", "quienes", "quién", "qué", "se", "sea", "según", "ser", "será", "si", "sido",
    "sin", "sobre", "solo", "son", "su", "sus", "suya", "suyo", "sí", "sólo", "también", "tan",
    "tanto", "te", "tiene", "tienen", "toda", "todas", "todo", "todos", "tras", "tu", "tus", "tú",
    "un", "una", "unas", "uno", "unos", "usted", "ustedes", "vosotros", "y", "ya", "yo", "él",
};

static const char *const swedish[] = {
    "alla", "allt", "alltså", "andra", "att", "av", "bara", "bland", "blev", "bli", "blir",
    "både", "de", "dem", "den", "denna", "deras", "dess", "dessa", "det", "detta", "dig", "din",
    "dina", "ditt", "du", "där", "därför", "då", "efter", "ej", "eller", "en", "ett", "från",
    "för", "genom", "ha", "hade", "han", "hans", "har", "henne", "hennes", "hon", "honom", "hur",
    "här", "i", "icke", "in", "inga", "ingen", "inget", "innan", "inom", "inte", "jag", "ju",
    "kan", "kunde", "man", "med", "medan", "mellan", "men", "mer", "mig", "min", "mina", "mitt",
    "mot", "mycket", "ni", "nu", "när", "någon", "något", "några", "och", "också", "om", "oss",
    "på", "samma", "sedan", "sig", "sin", "sina", "sitt", "själv", "ska", "skall", "skulle",
    "som", "så", "sådan", "sådana", "till", "under", "upp", "ur", "ut", "utan", "vad", "var",
    "vara", "varför", "varit", "varje", "vars", "vart", "vem", "vi", "vid", "vilka", "vilken",
    "vilket", "vår", "våra", "vårt", "än", "är", "åt", "över",
};

/* clang-format on */

const rsi_stop_table rsi_stop_tables[RSI_STOP_LISTS - RSI_STOP_DUTCH] = {
    {"dutch", dutch, sizeof dutch / sizeof *dutch},
    {"french", french, sizeof french / sizeof *french},
    {"german", german, sizeof german / sizeof *german},
    {"italian", italian, sizeof italian / sizeof *italian},
    {"portuguese", portuguese, sizeof portuguese / sizeof *portuguese},
    {"spanish", spanish, sizeof spanish / sizeof *spanish},
    {"swedish", swedish, sizeof swedish / sizeof *swedish},
};
