//! Undoes what Slack and keyboards do to a typed text: links made of names, curly quotes, long dashes, invisible spaces,
//! marks around words. Yields words and gives none of them a meaning.

use super::refusal::{Quoted, Refusal};

/// A piece of a text: what stands between spaces, or between quotation marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// As it was typed, its quotation marks included.
    pub(super) raw: String,
    /// Without them.
    pub(super) value: String,
    /// Whether it stood between quotation marks: then it is no option.
    pub(super) quoted: bool,
    /// Whether nothing stood between it and the word before.
    pub(super) glued: bool,
}

impl Word {
    /// As a name: without the marks that Slack and keyboards add.
    pub(super) fn plain(&self) -> String {
        bare(&plain_marks(&self.value)).to_owned()
    }

    /// As an option, if it is one: with plain dashes in front.
    pub(super) fn dashed(&self) -> Option<String> {
        let plain = plain_marks(&self.value);
        let name = plain.trim_start_matches('-');
        (!self.quoted && plain.len() > name.len() && !name.is_empty()).then_some(plain)
    }

    /// For the journal: what it says, in quotation marks when it takes them to stay one.
    pub(super) fn shown(&self) -> String {
        let plain = if self.quoted { self.value.clone() } else { self.plain() };
        if self.quoted && (plain.is_empty() || plain.contains(char::is_whitespace)) {
            format!("\"{plain}\"")
        } else {
            plain
        }
    }
}

/// Splits a text into words. A mention of the bot, or the command's own word, in front of them is dropped.
pub(super) fn words(text: &str, command_word: &str) -> Result<Vec<Word>, Refusal> {
    let text: String = unescape(&unlink(text)).chars().filter(|letter| !is_invisible(*letter)).collect();
    let mut words = split(outside_code(&text))?;
    if words.first().is_some_and(|word| word.value.starts_with("<@") && word.value.ends_with('>')) {
        words.remove(0);
    }
    let own = command_word.trim_start_matches(['/', '@']);
    let said = |word: &Word| word.plain().trim_start_matches(['/', '@']).eq_ignore_ascii_case(own);
    if !own.is_empty() && words.first().is_some_and(said) {
        words.remove(0);
    }
    Ok(words)
}

/// Refuses letters that are not on an English keyboard: they look like others, and a name must not be met by its twin.
pub(super) fn refuse_odd_letters<'a>(words: impl IntoIterator<Item = &'a String>) -> Result<(), Refusal> {
    for word in words {
        if let Some(letter) = word.chars().find(|letter| !letter.is_ascii_graphic() && *letter != ' ') {
            return Err(Refusal::OddLetter {
                word: Quoted(word.clone()),
                letter: if letter.is_control() { ' ' } else { letter },
                code: u32::from(letter),
                looks_like: twin(letter),
            });
        }
    }
    Ok(())
}

/// A sentence of a person's on one line. Other letters than those of a keyboard are welcome in it: it is shown, not met.
pub(super) fn sentence(text: &str) -> String {
    let line = text.chars().map(|letter| match letter {
        '\u{2028}' | '\u{2029}' => ' ',
        letter if letter.is_control() && letter.is_whitespace() => ' ',
        letter => letter,
    });
    let line: String = line.filter(|letter| !letter.is_control()).collect();
    line.trim().to_owned()
}

/// Letters between spaces and texts between quotation marks. A quotation mark opens only at the beginning of a word, and
/// behind the `=` of an option; elsewhere it is an apostrophe or an inch.
fn split(text: &str) -> Result<Vec<Word>, Refusal> {
    let mut words: Vec<Word> = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let glued = trimmed.len() == rest.len() && !words.is_empty();
        rest = trimmed;
        let Some(first) = rest.chars().next() else { return Ok(words) };
        let inside = if is_double(first) {
            Some(double_quoted(rest).ok_or(Refusal::OpenQuote)?)
        } else if is_single(first) {
            single_quoted(rest)
        } else {
            None
        };
        let quoted = inside.is_some();
        let (value, length) = inside.unwrap_or_else(|| {
            let length = unquoted(rest);
            (rest[..length].to_owned(), length)
        });
        words.push(Word { raw: rest[..length].to_owned(), value, quoted, glued });
        rest = &rest[length..];
    }
}

/// How far a word without quotation marks reaches, bytes.
fn unquoted(text: &str) -> usize {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let is_option = plain_marks(&text[..end]).starts_with('-');
    match text[..end].find('=') {
        Some(at) if is_option && text[at + 1..].starts_with(is_double) => at + 1,
        _ => end,
    }
}

/// What stands in the double quotation marks at the beginning, and how far it reaches with them, bytes. Inside, `\"` is a
/// quotation mark and `\\` a backslash. A straight mark may stand for a curly one when the right one is not there.
fn double_quoted(text: &str) -> Option<(String, usize)> {
    let straight = |letter: char| letter == '"';
    let curly = |letter: char| is_double(letter) && letter != '"';
    if text.starts_with('"') {
        until(text, straight).or_else(|| until(text, curly))
    } else {
        until(text, curly).or_else(|| until(text, straight))
    }
}

fn until(text: &str, closes: impl Fn(char) -> bool) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\'
            && let Some((_, escaped)) = letters.next_if(|(_, next)| matches!(next, '"' | '\\'))
        {
            value.push(escaped);
        } else if closes(letter) {
            return Some((value, at + letter.len_utf8()));
        } else {
            value.push(letter);
        }
    }
    None
}

/// The same for single ones, which close only at a word's end. Without such an end it was an apostrophe.
fn single_quoted(text: &str) -> Option<(String, usize)> {
    let ends = |rest: &str| {
        let next = rest.trim_start_matches(['.', ',', ';', ':', '!', '`', '*', '~', '_']).chars().next();
        next.is_none_or(char::is_whitespace)
    };
    let (close, letter) =
        text.char_indices().skip(1).find(|(at, letter)| is_single(*letter) && ends(&text[at + letter.len_utf8()..]))?;
    let open = text.chars().next().map_or(0, char::len_utf8);
    Some((text[open..close].to_owned(), close + letter.len_utf8()))
}

fn is_double(letter: char) -> bool {
    matches!(letter, '"' | '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}')
}

fn is_single(letter: char) -> bool {
    matches!(letter, '\'' | '\u{2018}'..='\u{201b}' | '\u{2032}')
}

/// Letters that are not seen: they only make a text look like another. Joiners stay, as emoji are made with them.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// A text as a whole in code marks, without them.
fn outside_code(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        text = inner.trim();
    }
    text
}

/// `<http://x|x>` is `x` again; mentions keep their ids and lose their names; what is no link stays.
fn unlink(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        plain.push_str(&rest[..open]);
        let inner = &rest[open + 1..];
        let Some(close) = inner.find(['<', '>']).filter(|at| inner[*at..].starts_with('>')) else {
            plain.push('<');
            rest = inner;
            continue;
        };
        let (target, label) = match inner[..close].split_once('|') {
            Some((target, label)) => (target, Some(label)),
            None => (&inner[..close], None),
        };
        if target.contains(char::is_whitespace) {
            // Slack makes no such thing: somebody wrote two signs.
            plain.push('<');
            rest = inner;
            continue;
        }
        match (target.starts_with(['@', '#', '!']), label) {
            (true, _) => {
                plain.push('<');
                plain.push_str(target);
                plain.push('>');
            }
            (false, Some(label)) if target.contains(':') => plain.push_str(label),
            (false, None) if target.contains(':') => plain.push_str(target.trim_start_matches("mailto:")),
            (false, _) => {
                plain.push('<');
                plain.push_str(&inner[..close]);
                plain.push('>');
            }
        }
        rest = &inner[close + 1..];
    }
    plain.push_str(rest);
    plain
}

fn unescape(text: &str) -> String {
    // The ampersand last: `&amp;lt;` is a typed `&lt;`.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// A word's quotes, dashes and spaces as an English keyboard has them.
fn plain_marks(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if is_single(letter) => plain.push('\''),
            letter if is_double(letter) => plain.push('"'),
            // A long dash before a word was typed as `--`; inside a word it was a hyphen.
            '\u{2013}' | '\u{2014}' | '\u{2015}' if plain.is_empty() => plain.push_str("--"),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => plain.push('-'),
            '\u{200c}' | '\u{200d}' => {}
            letter if letter.is_whitespace() => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    plain
}

/// A word without the marks of bold, italic, strike or code around it, and without a sentence's end behind it.
fn bare(word: &str) -> &str {
    let word = word.trim_matches(['`', '*', '~']).trim_end_matches(['.', ',', ';', ':', '!']);
    let word = word.trim_matches(['`', '*', '~', ' ']);
    match word.strip_prefix('_').and_then(|inner| inner.strip_suffix('_')) {
        Some(inner) => inner.trim_matches(['`', '*', '~', ' ']),
        None => word,
    }
}

/// The plain letter that a foreign one is easily taken for.
fn twin(letter: char) -> Option<char> {
    let plain = match letter {
        'а' | 'А' | 'α' | 'Α' => 'a',
        'в' | 'В' | 'Β' | 'β' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'ё' | 'Ε' | 'ε' => 'e',
        'ɡ' => 'g',
        'һ' | 'н' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'ı' | 'ι' | 'Ι' => 'i',
        'ј' | 'Ј' => 'j',
        'к' | 'К' | 'κ' | 'Κ' | '\u{212a}' => 'k',
        'ӏ' | 'Ӏ' => 'l',
        'м' | 'М' | 'Μ' => 'm',
        'п' | 'η' | 'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'г' => 'r',
        'ѕ' | 'Ѕ' | 'ſ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' => 't',
        'ν' | 'ѵ' => 'v',
        'ѡ' | 'ω' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'γ' | 'Υ' => 'y',
        'Ζ' => 'z',
        // The full-width forms stand in the same order as ASCII.
        '\u{ff01}'..='\u{ff5e}' => return char::from_u32(u32::from(letter) - 0xfee0).map(|c| c.to_ascii_lowercase()),
        _ => return None,
    };
    Some(plain)
}
