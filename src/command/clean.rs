//! Undoes what Slack and keyboards do to a typed text: links made of names, curly quotes, long dashes, invisible spaces,
//! marks around words. Yields words and gives none of them a meaning.
//!
//! What stands in quotation marks is read as a shell reads it. Outside of them a text is people's, not a shell's: an
//! apostrophe is an apostrophe, and a backslash a backslash.

use super::refusal::{Quoted, Refusal};

/// What stands between spaces, or between quotation marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// As it was typed, its quotation marks included.
    pub(super) raw: String,
    /// Without them.
    pub(super) value: String,
    /// Whether it stood between quotation marks: then it is no option.
    pub(super) quoted: bool,
}

impl From<&str> for Word {
    fn from(raw: &str) -> Self {
        let inside = as_in_a_shell(raw).or_else(|| between_marks(raw));
        let quoted = inside.is_some();
        Self { raw: raw.to_owned(), value: inside.unwrap_or_else(|| raw.to_owned()), quoted }
    }
}

impl Word {
    /// As a name: without the marks that Slack and keyboards add.
    pub(super) fn plain(&self) -> String {
        bare(&plain_marks(&self.value)).to_owned()
    }

    /// As an option, if it is one, and what stands behind its `=`. Dashes of any kind right before a letter make one:
    /// `—for` and `-for` are what keyboards and haste make of `--for`. Whoever means them as text puts them in quotes.
    pub(super) fn option(&self) -> Option<(String, Option<&str>)> {
        let name = self.raw.trim_start_matches(is_dash);
        let is_one = name.len() < self.raw.len() && name.starts_with(|letter: char| letter.is_ascii_alphabetic());
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        is_one.then(|| (name.to_ascii_lowercase(), value))
    }

    /// For the journal: what it says, in quotation marks when it takes them to stay one.
    pub(super) fn shown(&self) -> String {
        if self.quoted { shell_words::quote(&self.value).into_owned() } else { self.plain() }
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

/// Splits at spaces, but for those between quotation marks, which open at the beginning of a word and behind the `=` of
/// an option. They reach to where a shell finds a whole word; where it finds none, as in `'it's late'`, to the first mark
/// at the end of a word. A single mark without any partner was an apostrophe.
fn split(text: &str) -> Result<Vec<Word>, Refusal> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let ends = || {
            let ends = rest.match_indices(char::is_whitespace).map(|(at, _)| at).chain([rest.len()]);
            ends.filter(|end| !rest[..*end].ends_with(char::is_whitespace))
        };
        let next = ends().next().unwrap_or(rest.len());
        let end = if is_mark(first) {
            let whole = ends().find(|end| as_in_a_shell(&rest[..*end]).is_some());
            let whole = whole.or_else(|| ends().find(|end| between_marks(&rest[..*end]).is_some()));
            whole.or(is_single(first).then_some(next)).ok_or(Refusal::OpenQuote)?
        } else {
            let value = rest[..next].find('=').map(|at| at + 1).filter(|_| rest.starts_with(is_dash));
            value.filter(|at| rest[*at..].starts_with(is_mark)).unwrap_or(next)
        };
        words.push(Word::from(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

/// What a shell makes of one word that begins with a quotation mark. A single one has to close at its end too: `'it's` is
/// the beginning of a sentence.
fn as_in_a_shell(raw: &str) -> Option<String> {
    let opens = raw.starts_with('"') || (raw.starts_with('\'') && between_marks(raw).is_some());
    let [word] = <[String; 1]>::try_from(opens.then(|| shell_words::split(raw).ok())??).ok()?;
    Some(word)
}

/// What stands between two quotation marks of people's, curly or straight, whatever it is.
fn between_marks(raw: &str) -> Option<String> {
    let inside = |is_mark: fn(char) -> bool| {
        let text = raw.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        text.strip_prefix(is_mark)?.strip_suffix(is_mark).map(str::to_owned)
    };
    inside(is_double).or_else(|| inside(is_single))
}

fn is_mark(letter: char) -> bool {
    is_double(letter) || is_single(letter)
}

fn is_double(letter: char) -> bool {
    matches!(letter, '"' | '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}')
}

fn is_single(letter: char) -> bool {
    matches!(letter, '\'' | '\u{2018}'..='\u{201b}' | '\u{2032}')
}

fn is_dash(letter: char) -> bool {
    matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
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
            letter if is_dash(letter) => plain.push('-'),
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
