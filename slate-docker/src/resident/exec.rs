//! Containers without an agent: they idle in a shell, and their work comes by an `exec`. It needs `sh`, `mkfifo` and `cat` in
//! the image, and a `/tmp` that can be written to.
//!
//! The idling shell waits at the opening of a named pipe for a script, and then becomes its program. So the program's output,
//! its end and the signals to it are the container's own, as with an agent. A claim costs what an `exec` costs.

use crate::{backend::Shared, exec::exec};
use slate_core::{
    Error, Result,
    runtime::{Assignment, Command, ExecOptions},
};
use std::{sync::Arc, time::Duration};

/// What idles: `"$@"` is the image's own program, or the spec's. The first line read is the whole script.
pub(super) const IDLE: &str =
    r#"cd /tmp/ && rm -f .slate-* && mkfifo .slate-go .slate-work && cd - >/dev/null && . /tmp/.slate-work"#;

/// Hands a script over, unless there was work before: 0 done, 3 the same work, 4 other work, 5 not idle, 6 no such program or
/// folder, 7 the script broke off. It is read whole before anything is touched: whoever sends it may be killed meanwhile.
const HAND_OVER: &str = r#"
script=$(cat)
case $script in *"$5") ;; *) exit 7 ;; esac
if ! (set -C; printf %s "$1" >/tmp/.slate-key) 2>/dev/null; then
    [ "$(cat /tmp/.slate-key)" = "$1" ] && exit 3
    exit 4
fi
[ -p /tmp/.slate-work ] || { rm -f /tmp/.slate-key; exit 5; }
command -v -- "$2" >/dev/null || [ -z "$2" ] || { rm -f /tmp/.slate-key; exit 6; }
[ -z "$3" ] || cd "$3" 2>/dev/null || { rm -f /tmp/.slate-key; exit 6; }
printf '%s\n' "$script" >/tmp/.slate-work && echo "$4" && echo >/tmp/.slate-go"#;

/// What the hand-over says when the shell has its work. Before the program begins: it may end, and the container with it,
/// before the hand-over itself has.
const DONE: &str = "slate: handed over";

/// How a script ends that is whole.
const WHOLE: &str = "# slate: whole";

/// Whether it idles.
const ASK: &str = "[ -p /tmp/.slate-work ] && [ ! -e /tmp/.slate-key ]";

/// Time that the idle shell has to be there, and that an `exec` into it may take.
const SOON: Duration = Duration::from_secs(20);

impl Shared {
    /// Waits until the shell idles.
    pub(super) async fn until_idle(self: &Arc<Self>, id: &str) -> Result<()> {
        let idle = async {
            while self.run(id, vec!["sh".into(), "-c".into(), ASK.into()], None).await?.0 != Some(0) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let waited = tokio::time::timeout(SOON, idle).await;
        waited.unwrap_or_else(|_| Err(Error::timed_out("the container doesn't idle: it needs sh, mkfifo and cat")))
    }

    pub(super) async fn ping_by_exec(self: &Arc<Self>, id: &str) -> Result<()> {
        match self.run(id, vec!["sh".into(), "-c".into(), ASK.into()], None).await?.0 {
            Some(0) => Ok(()),
            _ => Err(Error::wrong_state("the instance doesn't wait for work")),
        }
    }

    pub(super) async fn bind_by_exec(self: &Arc<Self>, id: &str, work: &Assignment) -> Result<()> {
        let program = work.command.first().cloned().unwrap_or_default();
        let folder = work.working_dir.clone().unwrap_or_default();
        let words =
            ["sh", "-c", HAND_OVER, "sh", &work.key, &program, &folder, DONE, WHOLE].map(str::to_owned).to_vec();
        let (code, said) = self.run(id, words, Some(script(work))).await?;
        if said.starts_with(DONE) {
            return Ok(());
        }
        match code {
            Some(3) => Ok(()),
            Some(4) => Err(Error::wrong_state("there is other work already")),
            Some(5) => Err(Error::wrong_state("the instance doesn't wait for work")),
            Some(6) => Err(Error::not_found("no such program, or no such folder").with("program", program)),
            _ => Err(Error::unavailable("the work could not be handed over")),
        }
    }

    /// Runs a command in the container, and gives it this to read; its exit code, and what it said.
    async fn run(
        self: &Arc<Self>,
        id: &str,
        words: Vec<String>,
        input: Option<String>,
    ) -> Result<(Option<i32>, String)> {
        let options = ExecOptions::default().with_stdin(input.is_some()).with_timeout(Some(SOON));
        let mut running = exec(Arc::clone(self), id, &Command::new(words), options).await?;
        if let (Some(mut stdin), Some(input)) = (running.stdin.take(), input) {
            // One that doesn't want it says so by its code.
            let _refused: Result<()> = stdin.write(input.into()).await;
        }
        let (said, _, exit) = running.collect(64 << 10).await?;
        Ok((exit.code, String::from_utf8_lossy(&said).into_owned()))
    }
}

/// The script that becomes the program. Every word is quoted: nothing of it is the shell's.
fn script(work: &Assignment) -> String {
    let mut script = String::from("read -r _ </tmp/.slate-go; rm -f /tmp/.slate-go /tmp/.slate-work\n");
    for (name, value) in &work.env {
        script += &format!("export {name}={}\n", quoted(value.expose()));
    }
    if let Some(folder) = &work.working_dir {
        script += &format!("cd {}\n", quoted(folder));
    }
    if !work.command.is_empty() {
        let words: Vec<_> = work.command.iter().map(|word| quoted(word)).collect();
        script += &format!("set -- {}\n", words.join(" "));
    }
    script + "exec \"$@\" </dev/null\n" + WHOLE
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::runtime::RuntimeSpec;

    #[test]
    fn every_word_of_the_script_is_quoted() {
        let spec =
            RuntimeSpec::new("s", ["echo", "it's $(date); `id`"]).with_env("A", "b\n'c").with_working_dir("/w x");
        let script = script(&Assignment::of_spec("k", &spec));
        let expected = "read -r _ </tmp/.slate-go; rm -f /tmp/.slate-go /tmp/.slate-work\nexport A='b\n'\\''c'\ncd '/w x'\n\
             set -- 'echo' 'it'\\''s $(date); `id`'\nexec \"$@\" </dev/null\n# slate: whole";
        assert_eq!(script, expected);
    }
}
