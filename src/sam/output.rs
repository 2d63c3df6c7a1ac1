//! What a process writes, as lines that can be shown: bounded, without control characters, without secrets. Pure.

use std::collections::VecDeque;

use super::mask::Mask;

/// The longest line that is looked at; what is beyond is not read.
pub const MAX_RAW_LINE_BYTES: usize = 8 * 1024;
/// The longest line that is kept.
pub const MAX_LINE_CHARS: usize = 300;
/// How many lines are kept, the latest.
pub const MAX_LINES: usize = 200;
/// A process that writes more than this, 8 MiB, is stopped.
pub const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// So is one that writes more lines.
pub const MAX_LINES_EVER: u64 = 50_000;

/// The output of one process so far.
#[derive(Debug, Default)]
pub struct Output {
    mask: Mask,
    /// The line that has not ended yet.
    open: Vec<u8>,
    /// Whether the open line is longer than what is kept of it.
    cut: bool,
    kept: VecDeque<String>,
    lines: u64,
    bytes: u64,
}

impl Output {
    /// Empty, hiding what this mask hides.
    pub fn hiding(mask: Mask) -> Self {
        Self { mask, ..Self::default() }
    }

    /// Takes what was read. False when it is too much: the process is to be stopped.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        for byte in bytes {
            match byte {
                // Progress is written over itself with carriage returns: each is a line.
                b'\n' | b'\r' => self.close(),
                _ if self.open.len() < MAX_RAW_LINE_BYTES => self.open.push(*byte),
                _ => self.cut = true,
            }
        }
        self.bytes <= MAX_BYTES && self.lines <= MAX_LINES_EVER
    }

    /// The process has ended: what it wrote last counts although no line end follows.
    pub fn end(&mut self) {
        self.close();
    }

    /// The lines that are kept, in order.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }

    /// How many lines there were, those included that are not kept. Blank ones are no lines.
    pub fn count(&self) -> u64 {
        self.lines
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let cut = std::mem::take(&mut self.cut);
        let mut text = plain(&String::from_utf8_lossy(&open));
        if cut {
            // Where the line is cut there may be half of a secret, which nobody would know for one.
            let end = text.len().saturating_sub(self.mask.longest_bytes());
            let word = text[..floor(&text, end)].rfind(char::is_whitespace).unwrap_or(0);
            text.truncate(word);
            text.push_str(" …");
        }
        if text.trim().is_empty() {
            return;
        }
        let line = clipped(self.mask.line(&text).trim_end(), MAX_LINE_CHARS);
        self.lines += 1;
        self.kept.push_back(line);
        if self.kept.len() > MAX_LINES {
            self.kept.pop_front();
        }
    }
}

/// The greatest boundary between characters that is not beyond `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// At most so many characters, the last an ellipsis when there were more.
fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Without escape sequences of terminals, control characters, and what turns the direction of writing or is invisible.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.peek().copied() {
                Some('[') => {
                    rest.next();
                    skip_control_sequence(&mut rest);
                }
                // A command to the terminal, such as a title or a link: up to BEL, or ESC with a backslash.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    let mut before = ' ';
                    for c in rest.by_ref() {
                        if c == '\u{7}' || (before == '\u{1b}' && c == '\\') {
                            break;
                        }
                        before = c;
                    }
                }
                // ESC, intermediates, one final character.
                Some(_) => {
                    while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
                    rest.next_if(|c| ('0'..='~').contains(c));
                }
                None => {}
            },
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\t' => plain.push_str("  "),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {}
            _ if c.is_control() => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// Parameters and intermediates, then one final character.
fn skip_control_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn read(written: &[u8]) -> Output {
        let mut output = Output::default();
        assert!(output.take(written));
        output.end();
        output
    }

    fn lines(written: &[u8]) -> Vec<String> {
        read(written).lines().map(str::to_owned).collect()
    }

    #[test]
    fn terminals_are_not_told_anything() {
        for (written, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[1;32;48;5;12mBuild\u{1b}[K done", "Build done"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}(Bplain \u{1b}7x", "plain x"),
            ("\u{9b}31mC1", "C1"),
            ("a\u{7}b\u{8}c\0d", "abcd"),
            ("a\tb", "a  b"),
            ("abc\u{202e}def\u{200b}", "abcdef"),
            ("cut short \u{1b}[", "cut short "),
            ("cut short \u{1b}", "cut short "),
            ("an unended \u{1b}]0;title", "an unended "),
        ] {
            assert_eq!(plain(written), expected, "{written:?}");
        }
    }

    #[test]
    fn lines_end_with_newlines_and_carriage_returns_and_blank_ones_are_none() {
        assert_eq!(lines(b"one\r\n\n  \ntwo\r50%\r100%\nlast"), ["one", "two", "50%", "100%", "last"]);
        assert_eq!(lines(b"\xff broken \xf0\x9f utf8"), ["\u{fffd} broken \u{fffd} utf8"]);
    }

    #[test]
    fn the_latest_lines_are_kept_and_all_are_counted() {
        let written: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
        let output = read(written.as_bytes());
        assert_eq!(output.count(), 1_000);
        assert_eq!(output.lines().count(), MAX_LINES);
        assert_eq!((output.lines().next(), output.lines().last()), (Some("line 800"), Some("line 999")));
    }

    #[test]
    fn a_secret_on_the_edge_of_a_long_line_is_not_shown_by_half() {
        let secret = "a secret with spaces in it";
        for before in MAX_RAW_LINE_BYTES - 60..MAX_RAW_LINE_BYTES {
            let mut output = Output::hiding(Mask::of([SecretString::from(secret)]));
            let line = format!("{}{secret} and more", "x ".repeat(before / 2));
            output.take(line.as_bytes());
            output.close();
            assert!(!output.lines().any(|line| line.contains("secret")), "{before}");
        }
    }

    #[test]
    fn what_writes_without_end_is_to_be_stopped() {
        let mut output = Output::default();
        let much = vec![b'y'; 1024 * 1024];
        let taken = (0..100).take_while(|_| output.take(&much)).count();
        assert_eq!(taken, 8);
        assert!(output.open.len() <= MAX_RAW_LINE_BYTES);
        let mut output = Output { lines: MAX_LINES_EVER, ..Output::default() };
        assert!(output.take(b"y") && !output.take(b"\n"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_what_is_kept_is_bounded_and_plain(written in prop::collection::vec(any::<u8>(), 0..4_096)) {
            let output = read(&written);
            prop_assert!(output.lines().count() <= MAX_LINES);
            for line in output.lines() {
                prop_assert!(line.chars().count() <= MAX_LINE_CHARS);
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }

        #[test]
        fn it_does_not_matter_how_it_is_cut_into_pieces(written in prop::collection::vec(any::<u8>(), 0..512), at in 0usize..512) {
            let at = at.min(written.len());
            let mut output = Output::default();
            output.take(&written[..at]);
            output.take(&written[at..]);
            output.end();
            let whole = read(&written);
            prop_assert_eq!(output.lines().collect::<Vec<_>>(), whole.lines().collect::<Vec<_>>());
        }

        #[test]
        fn a_known_secret_is_never_shown(
            written in prop::collection::vec(prop_oneof![Just(b"hunter-two-three".to_vec()), prop::collection::vec(any::<u8>(), 0..40)], 0..40),
        ) {
            let mut output = Output::hiding(Mask::of([SecretString::from("hunter-two-three")]));
            output.take(&written.concat());
            output.end();
            prop_assert!(!output.lines().any(|line| line.contains("hunter-two-three")));
        }
    }
}
