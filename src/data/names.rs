//! Common column names, in lower case.

/// Names of text columns.
#[rustfmt::skip]
const TEXT: &[&str] = &[
    "text", "texts", "sentence", "sentences", "message", "messages", "content", "body", "utterance", "question", "query", "review",
    "comment", "tweet", "post", "description", "document", "sms", "phrase", "feedback", "request", "ticket", "input", "email", "v2",
    "premise", "hypothesis", "transcript", "narrative",
    "nachricht", "kommentar", "beschreibung", "inhalt", "texte", "commentaire", "avis", "texto", "comentario", "mensaje", "testo",
    "текст", "сообщение", "отзыв", "комментарий", "文本", "内容", "评论", "评价", "留言", "句子", "正文", "本文", "テキスト", "文章",
    "コメント", "텍스트", "내용", "문장", "리뷰",
];
/// Names of columns with short texts; another column often contains the longer ones.
const HEADING: &[&str] =
    &["headline", "title", "abstract", "summary", "subject", "titel", "titre", "titulo", "título", "标题", "件名"];
/// Names of label columns.
#[rustfmt::skip]
const LABEL: &[&str] = &[
    "label", "labels", "label_text", "label_name", "category", "categories", "class", "classes", "class_name", "intent", "target",
    "sentiment", "topic", "tag", "polarity", "emotion", "type", "rating", "stars", "queue", "department", "priority", "y", "v1",
    "outcome", "gold_label", "gold", "cats", "overall", "grade", "klasse", "kategorie", "categoria", "categoría", "catégorie", "etiqueta", "étiquette",
    "метка", "класс", "категория", "标签", "类别", "分类", "情感", "ラベル", "分類", "区分", "カテゴリ", "라벨", "분류", "감정",
];
/// Names of columns with metadata about a row.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "id", "ids", "uid", "uuid", "guid", "key", "index", "idx", "nr", "no", "number", "row", "annotator", "annotators", "annotated_by",
    "completed_by", "updated_by", "created_by", "user", "username", "author", "reviewer", "agent", "worker", "rater", "coder",
    "editor", "owner", "language", "lang", "locale", "sprache", "langue", "idioma", "fold", "split", "set", "subset", "partition", "source",
    "src", "origin", "dataset", "file", "filename", "file_name", "path", "url", "uri", "link", "href", "date", "time", "datetime", "timestamp",
    "ts", "created_at", "updated_at", "lead_time", "version", "batch", "page", "length", "len", "count", "confidence", "weight", "hash",
    "sha", "md5", "sha1", "sha256", "checksum", "ip", "device", "platform", "browser", "useragent", "address", "adresse", "location", "city",
    "country", "at", "by", "first_name", "last_name", "surname", "speaker", "sender", "recipient", "from", "to", "phone", "zip", "postcode", "state",
    "reviewer_name", "user_name", "customer_name", "author_name", "full_name", "agent_name", "sender_name", "screen_name",
];

/// From this value on, the name alone identifies a text column.
pub(crate) const A_NAME: f64 = 0.5;

/// What a column's name suggests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Named {
    /// 1 for a common name of text columns; less for headings, and for names that contain such a word (`ticket_text`).
    pub(crate) text: f64,
    /// The same for labels.
    pub(crate) label: f64,
    /// Whether the name suggests metadata: an id, a date, an annotator.
    pub(crate) about: bool,
}

impl Named {
    pub(crate) fn new(name: &str) -> Self {
        let words = words(name);
        let whole = words.join("_");
        let bare = whole.trim_end_matches(|sign: char| sign.is_ascii_digit() || sign == '_');
        let is = |names: &[&str]| names.contains(&whole.as_str()) || bare.len() > 2 && names.contains(&bare);
        let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
        let (text, heading, label) = (is(TEXT), is(HEADING), is(LABEL));
        let about = !text && !heading && !label && (is(ABOUT) || words.last().is_some_and(|word| ABOUT.contains(&word.as_str())));
        let flag = words.len() > 1 && words.first().is_some_and(|word| word == "is");
        let last = words.last().is_some_and(|word| TEXT.contains(&word.as_str()));
        let text = if text {
            1.0
        } else if label || about {
            0.0
        } else if heading {
            0.5
        } else if last {
            0.6
        } else if has(TEXT) || has(HEADING) {
            0.3
        } else {
            0.0
        };
        let label = if label {
            1.0
        } else if !about && has(LABEL) || flag {
            0.3
        } else {
            0.0
        };
        Self { text, label, about }
    }
}

/// Whether a column with this name usually contains long texts.
pub(crate) fn is_text_name(name: &str) -> bool {
    let whole = words(name).join("_");
    TEXT.contains(&whole.as_str()) || HEADING.contains(&whole.as_str())
}

/// The words of a name, in lower case: the same for `created_at`, `Created at` and `createdAt`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for letter in name.trim().chars() {
        if !letter.is_alphanumeric() || lower && letter.is_uppercase() {
            words.push(String::new());
        }
        lower = letter.is_lowercase();
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
