"""The inputs of generate.py: the tiny encoder and the texts."""
import json

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

# Neither "z" nor "&" is a word piece: words with them become [UNK]. Special tokens have other ids than in BERT, so that
# nothing can count on 101 and 102.
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxy"
PIECES = "##ing ##ed ##ly ##er ##est ##tion ##ment ##able ##al ##ive ##ful ##less ##ness ##ous ##un ##re".split()
WORDS = """
the a an and or but not no yes i you he she it we they my your his her its our their this that these those is are was were be been
have has had do does did will would can could should may of in on at to for with from by about as into over after before under
good bad great poor nice slow fast cheap expensive new old small large hot cold happy sad clean dirty broken lost safe late early
card bank account money transfer payment phone screen battery book film music song play list weather rain snow sun city house room
food table restaurant order service staff price waiter coffee tea bread fish night day week month year today tomorrow morning time
please thank help wait come go get give take make want need like love hate think know see hear say tell ask find show add open
very really too much many more most less some any all one two three four five
""".split()

TINY_TEXTS = [
    ("good", 0),
    ("", 2),
    ("The card was lost.", 1),
    ("Please play a happy song, and not too slow!", 2),
    ("I waited 45 minutes for cold fish; the waiter was nowhere & the table dirty.", 1),
    # 59 tokens: with five prompt rows it fills all 64 positions of the table
    (
        "Unbelievable: 3 fantastic crazy films, and not one of them is about fish or tea, as you could think from the song in it: "
        "I loved them all!!!!!",
        0,
    ),
    ("Will it rain tomorrow morning in the old city, or should we take the small house over the restaurant?", 2),
    ("café naïve 漢 xyz qwerty transferable playlists", 0),
]
# Ten batches of four, so that every text comes in company of short and of long ones.
TINY_ORDER = [
    [0, 1, 2, 3], [4, 5, 6, 7], [7, 0, 5, 2], [6, 3, 1, 4], [2, 6, 0, 7],
    [5, 1, 4, 3], [3, 7, 2, 5], [1, 6, 4, 0], [0, 4, 7, 3], [6, 2, 5, 1],
]

# (file, row from 0, column): 3 tokens to 100; accents, a currency sign, digits, slang.
MINILM_TEXTS = [
    ("uci_sentiment_3dom/yelp_labelled.txt", 0, 0),
    ("snips/test.csv", 150, 0),
    ("banking77/train.csv", 182, 0),
    ("sms_spam/SMSSpamCollection_first1500.txt", 22, 1),
    ("uci_sentiment_3dom/imdb_labelled.txt", 620, 0),
    ("sms_spam/SMSSpamCollection_first1500.txt", 261, 1),
]
MINILM_LABELS = [3, 0, 6, 1, 2, 5]
MINILM_ORDER = [[0, 1, 2], [3, 4, 5], [5, 2, 0], [1, 4, 3], [2, 5, 1], [0, 3, 4], [4, 0, 2], [3, 1, 5], [5, 4, 1], [2, 3, 0]]


def tiny_vocabulary():
    """300 word pieces, ids in this order."""
    pieces = SPECIAL + list(".,!?'-:;") + [p + d for p in ("", "##") for d in "0123456789"]
    pieces += [p + letter for p in ("", "##") for letter in LETTERS] + PIECES
    pieces += [word for word in dict.fromkeys(WORDS) if word not in pieces]
    pieces = pieces[:300] + [f"[unused{i}]" for i in range(300 - len(pieces))]
    return {piece: i for i, piece in enumerate(pieces)}


def tiny_tokenizer():
    """A WordPiece tokenizer as BERT's uncased ones are."""
    vocabulary = tiny_vocabulary()
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, vocabulary[t]) for t in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


TINY_CONFIG = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 64,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 64,
    "model_type": "bert",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 300,
}


def tiny_weights(draw):
    """The hub's tensor names; biases, gammas and betas away from 0 and 1, so that a forgotten one shows."""
    hidden, ffn = TINY_CONFIG["hidden_size"], TINY_CONFIG["intermediate_size"]
    weights = {}

    def linear(name, outputs, inputs):
        weights[f"{name}.weight"] = draw((outputs, inputs), 0.25, f"{name}.weight")
        weights[f"{name}.bias"] = draw((outputs,), 0.3, f"{name}.bias")

    def norm(name):
        weights[f"{name}.weight"] = 1 + draw((hidden,), 0.3, f"{name}.weight")
        weights[f"{name}.bias"] = draw((hidden,), 0.3, f"{name}.bias")

    rows = {"word": TINY_CONFIG["vocab_size"], "position": TINY_CONFIG["max_position_embeddings"], "token_type": 2}
    for kind, count in rows.items():
        weights[f"embeddings.{kind}_embeddings.weight"] = draw((count, hidden), 0.4, f"embeddings.{kind}")
    norm("embeddings.LayerNorm")
    for i in range(TINY_CONFIG["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", ffn, hidden)
        linear(f"{layer}.output.dense", hidden, ffn)
        norm(f"{layer}.output.LayerNorm")
    linear("pooler.dense", hidden, hidden)
    return weights


def write_tiny(folder, draw):
    """A model folder as the hub has them, and the same weights in f16 and bf16."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TINY_CONFIG, indent=2) + "\n")
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    weights = tiny_weights(draw)
    for file, dtype in (("model", torch.float32), ("model-f16", torch.float16), ("model-bf16", torch.bfloat16)):
        tensors = {name: w.to(dtype).contiguous() for name, w in weights.items()}
        save_file(tensors, folder / f"{file}.safetensors", {"format": "pt"})


def nasty_texts():
    """What a tokenizer may be fed."""
    many = "the quick brown fox jumps over the lazy dog "
    return [
        "", " ", "\t\r\n", "a", "A", ".", "...", "hello world", "Hello, World!", "HELLO wOrLd",
        "don't can't I'm o'clock",
        "unbelievable antidisestablishmentarianism", "x" * 100, "x" * 101, "pneumono " + "ultra" * 40,
        # exactly as long as allowed, and one, two more
        "dog " * 125, "dog " * 126, "dog " * 127, many * 67, "unaffable " * 50,
        # accents, composed and not; ligatures; letters whose lower case is longer
        "café naïve résumé Ångström", "cafe\u0301 nai\u0308ve", "ﬁne ﬂow", "İstanbul Iı", "Straße STRASSE ẞ",
        "Þórr Øre łódź Đà", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝐛𝐨𝐥𝐝", "Ⅷ ² ½ ①", "ǅ ǆ",
        # other scripts
        "我爱北京天安门", "東京タワー へ 行きます", "カタカナ ガ ｶﾞ", "한국어 텍스트", "Привет, Мир!", "Ελληνικά ΣΊΣΥΦΟΣ",
        "שלום עולם", "مرحبا بالعالم",
        "नमस्ते दुनिया", "สวัสดี", "𠀀𪛖 rare", "漢mixed字text",
        # emoji, joined, flagged, coloured
        "🙂", "great 👍👍🏽 !!", "👩‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "❤️ ☺", "I ❤️ NY 100%",
        # controls, spaces and marks that are not seen
        "a\u0000b", "a\u0001b\u007fc\u0085d", "a\ufffdb", "no\u00a0break\u2003space\u3000wide",
        "zero\u200bwidth\u200djoin\ufeffbom",
        "soft\u00adhyphen", "line\u2028sep\u2029par", "\u202ertl\u202c", "tab\tnew\nline\r\nend", "\ue000 private", "a\u0300\u0301\u0302b",
        # what looks like the tokenizer's own
        "[MASK]", "paris is the [MASK] of france", "[mask] [Mask]", "[CLS] a [SEP] b", "[PAD][UNK]",
        "[unused1]", "##ing", "a[MASK]b",
        # numbers, addresses, punctuation
        "£1.50 $1,000.50 €5 ¥10 50%", "3.14159 -42 1e-9 0x1F", "http://example.org/a_b?c=d&e=f#g", "name@example.org",
        "C++ C# .NET",
        "a-b_c/d\\e|f", "“curly” ‘quotes’ — dash – en … etc", "¿qué? ¡sí!", "(a)[b]{c}<d>", "&amp; <br/>",
        "^`~+=|$", "@user #tag",
        "  leading and   many   spaces  ", "camelCaseWord snake_case_word", "20:44 2024-01-31 8th",
    ]
