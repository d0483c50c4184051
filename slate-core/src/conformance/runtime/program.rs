/// What a test program does, without saying in which language. A fixture translates it into command words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Program {
    /// Prints each line to standard output, then each to standard error, and exits with a code.
    Lines {
        /// For standard output.
        stdout: Vec<String>,
        /// For standard error.
        stderr: Vec<String>,
        /// The exit code.
        code: i32,
    },
    /// Prints `<NAME>=<value>` for the environment variable, or `<NAME> is unset`.
    PrintEnv(String),
    /// Prints the working folder.
    PrintFolder,
    /// Prints `ready`, sleeps for so many seconds, exits with 0. Ends at once when asked to.
    Sleep(u32),
    /// Prints `ready`, then waits to be asked to end; prints `asked` and exits with this code.
    EndWhenAsked(i32),
    /// Prints `ready` and doesn't end when asked to.
    IgnoreTheAsking,
    /// Starts descendants of several kinds (a child, one in a session of its own, one whose parent has ended) that ignore
    /// being asked to end, prints `ready`, then sleeps for so many seconds and ends without them.
    Descendants(u32),
    /// Kills itself with this signal.
    KillSelf(i32),
    /// Copies standard input to standard output until it ends.
    EchoInput,
    /// Writes one line of so many bytes `x`, with or without a break at its end.
    LongLine {
        /// How many bytes.
        bytes: u64,
        /// Whether a line break follows.
        ended: bool,
    },
    /// Prints `1` to `n`, a line each.
    Numbers(u64),
    /// Prints `1` to `n`, a line each and a tenth of a second after each.
    SlowNumbers(u64),
    /// Prints `ready` and burns processor time until it is ended.
    BurnCpu,
    /// Takes so many bytes of memory after a second, prints `ready` and sleeps for a minute.
    Allocate(u64),
    /// Tries to have so many processes at once for a minute, and prints `ready` after the last.
    Processes(u32),
    /// A program that isn't there.
    Missing,
}

impl Program {
    /// Prints these lines and exits with 0.
    pub fn lines(lines: &[&str]) -> Self {
        Self::Lines { stdout: lines.iter().map(ToString::to_string).collect(), stderr: Vec::new(), code: 0 }
    }

    /// Exits with this code.
    pub fn exit(code: i32) -> Self {
        Self::Lines { stdout: Vec::new(), stderr: Vec::new(), code }
    }

    /// The program as words for a POSIX shell; BusyBox's is enough.
    pub fn shell_words(&self) -> Vec<String> {
        // A shell that waits for a child runs its trap at once; one that runs it in the foreground only afterwards.
        let script = match self {
            Self::Lines { stdout, stderr, code } => {
                let print = |lines: &[String], to: &str| {
                    lines.iter().map(|line| format!("printf '%s\\n' '{line}'{to}; ")).collect::<String>()
                };
                format!("{}{}exit {code}", print(stdout, ""), print(stderr, " >&2"))
            }
            Self::PrintEnv(name) => {
                format!("if [ -n \"${{{name}+x}}\" ]; then echo \"{name}=${name}\"; else echo '{name} is unset'; fi")
            }
            Self::PrintFolder => "pwd -P".into(),
            Self::Sleep(seconds) => format!("echo ready; exec sleep {seconds}"),
            Self::EndWhenAsked(code) => {
                format!("trap 'echo asked; kill $! 2>/dev/null; exit {code}' TERM; echo ready; sleep 600 & wait")
            }
            Self::IgnoreTheAsking => "trap '' TERM; echo ready; while :; do sleep 1; done".into(),
            Self::Descendants(seconds) => format!(
                "trap '' TERM HUP; sleep 601 & (sleep 602 &) ; \
                 if command -v setsid >/dev/null; then setsid sh -c 'sleep 603 & sleep 604' & fi; \
                 sleep 0.2; echo ready; sleep {seconds}"
            ),
            Self::KillSelf(signal) => format!("kill -{signal} $$"),
            Self::EchoInput => "exec cat".into(),
            Self::LongLine { bytes, ended } => {
                let end = if *ended { "; echo" } else { "" };
                format!("head -c {bytes} /dev/zero | tr '\\0' x{end}")
            }
            Self::Numbers(n) => format!("exec seq 1 {n}"),
            Self::SlowNumbers(n) => format!("for i in $(seq 1 {n}); do echo $i; sleep 0.1; done"),
            Self::BurnCpu => "echo ready; while :; do :; done".into(),
            Self::Allocate(bytes) => {
                // Some engines hear of kills for memory only when `start` has returned.
                format!("sleep 1; x=$(head -c {bytes} /dev/zero | tr '\\0' x); echo ready; sleep 60; echo ${{#x}}")
            }
            Self::Processes(n) => {
                format!("i=0; while [ $i -lt {n} ]; do sleep 60 & i=$((i+1)); done; echo ready; wait")
            }
            Self::Missing => return vec!["/nowhere/slate-no-such-program".into()],
        };
        vec!["sh".into(), "-c".into(), script]
    }
}
