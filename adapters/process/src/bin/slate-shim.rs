//! The supervisor of one instance of `slate-process`. Started by the backend, not by people.

fn main() {
    #[cfg(target_os = "linux")]
    slate_process::shim::run_if_asked();
    eprintln!("slate-shim is started by slate-process");
    std::process::exit(2);
}
