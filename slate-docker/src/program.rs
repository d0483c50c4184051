//! Whether a container's program is there.
//!
//! The init that every container has starts even where its program doesn't exist, and then ends with 127, which a program may
//! also do by itself. So the program is looked for before the start, in the container's own file system.

use crate::{
    backend::Shared,
    error::{PLACE, translate},
};
use bollard::{models::ContainerInspectResponse, query_parameters::ContainerArchiveInfoOptions};
use slate_core::{Error, ErrorKind, Result};

/// Where programs without a path are looked for, when the environment doesn't say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Found programs that are remembered; they can't go from an image.
const REMEMBERED: usize = 4096;

impl Shared {
    /// Checks that the program of a container that doesn't run is there.
    pub(crate) async fn check_program(&self, id: &str, container: &ContainerInspectResponse) -> Result<()> {
        let Some(config) = &container.config else { return Ok(()) };
        let words = config.entrypoint.iter().chain(&config.cmd).flatten();
        let Some(program) = words.map(String::as_str).next() else { return Ok(()) };
        let env = config.env.as_deref().unwrap_or_default();
        let path = env.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
        let folder = config.working_dir.as_deref().filter(|folder| !folder.is_empty()).unwrap_or("/");
        let image = container.image.as_deref().unwrap_or_default();
        let key = format!("{image}\0{path}\0{folder}\0{program}");
        if self.programs().contains(&key) {
            return Ok(());
        }
        for candidate in candidates(program, path, folder) {
            if self.is_there(id, candidate).await? {
                // What lies in a mount may be gone the next time.
                if container.mounts.as_ref().is_none_or(Vec::is_empty) {
                    let mut programs = self.programs();
                    if programs.len() >= REMEMBERED {
                        programs.clear();
                    }
                    programs.insert(key);
                }
                return Ok(());
            }
        }
        Err(Error::not_found("the container has no such program").with("program", program).at(PLACE, "start"))
    }

    async fn is_there(&self, id: &str, path: String) -> Result<bool> {
        let options = ContainerArchiveInfoOptions { path };
        match self.docker.get_container_archive_info(id, Some(options)).await {
            Ok(_) => Ok(true),
            Err(error) => match translate(error, "start") {
                error if error.kind() == ErrorKind::NotFound => Ok(false),
                error => Err(error),
            },
        }
    }
}

fn candidates(program: &str, path: &str, folder: &str) -> Vec<String> {
    if program.starts_with('/') {
        return vec![program.into()];
    }
    if program.contains('/') {
        return vec![format!("{}/{program}", folder.trim_end_matches('/'))];
    }
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    folders.map(|folder| format!("{}/{program}", folder.trim_end_matches('/'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_where_the_kernel_would() {
        assert_eq!(candidates("/a/b", "/x", "/w"), ["/a/b"]);
        assert_eq!(candidates("./b", "/x", "/w/"), ["/w/./b"]);
        assert_eq!(candidates("b", "/x:/y/::rel", "/w"), ["/x/b", "/y/b"]);
    }
}
