//! Undoes what Slack and keyboards do to a typed text: links made of names, curly quotes, long dashes, invisible spaces,
//! marks around words. Yields plain words and gives none of them a meaning.

use super::refusal::{Quoted, Refusal};

/// Splits a text into plain words. A mention of the bot, or the command's own word, in front of them is dropped.
pub(super) fn words(text: &str, command_word: &str) -> Result<Vec<String>, Refusal> {
    let text = unescape(&plain_marks(&unlink(text)));
    let words = shell_words::split(&guard_hashes(&text)).map_err(|_| Refusal::OpenQuote)?;
    let mut words: Vec<String> =
        words.iter().map(|word| bare(word).to_owned()).filter(|word| !word.is_empty()).collect();
    if words.first().is_some_and(|word| word.starts_with("<@") && word.ends_with('>')) {
        words.remove(0);
    }
    let own = command_word.trim_start_matches(['/', '@']);
    let said = |word: &String| word.trim_start_matches(['/', '@']).eq_ignore_ascii_case(own);
    if !own.is_empty() && words.first().is_some_and(said) {
        words.remove(0);
    }
    Ok(words)
}

/// Refuses letters that are not on an English keyboard: they look like others, and a name must not be met by its twin.
pub(super) fn refuse_odd_letters(words: &[String]) -> Result<(), Refusal> {
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

/// Quotes, dashes and spaces as an English keyboard has them.
fn plain_marks(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{2018}'..='\u{201b}' | '\u{2032}' => plain.push('\''),
            '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => plain.push('"'),
            // A long dash before a word was typed as `--`; inside a word it was a hyphen.
            '\u{2013}' | '\u{2014}' | '\u{2015}' if plain.is_empty() || plain.ends_with(' ') => plain.push_str("--"),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => plain.push('-'),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}' => {}
            letter if letter.is_whitespace() => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    plain
}

/// A shell takes `#42` for a comment; here it is a run.
fn guard_hashes(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '#' && (guarded.is_empty() || guarded.ends_with(' ')) {
            guarded.push('\\');
        }
        guarded.push(letter);
    }
    guarded
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
