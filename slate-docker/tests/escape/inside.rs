//! What a hostile program tries once it runs, beside what `hardened.rs` has.

use crate::{
    common::{SOON, backend, backend_with, busybox, image, lines, lines_of, options, printed, spec, squeezed},
    forged,
};
use bollard::{models::HostConfig, query_parameters::CreateImageOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use slate_core::runtime::{
    Images, LogOptions, MemorySize, RemoveOptions, RuntimeBackend, RuntimeBackendExt, RuntimeSpec, Volumes,
};
use slate_docker::LogLimits;

/// What is tried, the program that it needs, and how; each says `no` or `DONE`.
const TRIES: &[(&str, &str, &str)] = &[
    ("see the host's disks by control groups", "mount", "mount -t cgroup -o devices none /tmp"),
    ("mount a file system of processes", "mount", "mount -t proc proc /tmp"),
    ("mount over another mount", "mount", "mount -o remount,rw /"),
    ("unmount a mask", "umount", "umount /proc/kcore || umount -l /proc/keys"),
    ("enter the first process's namespaces", "nsenter", "nsenter -t 1 -m true"),
    ("new users", "unshare", "unshare -U true || unshare -r true"),
    ("new processes' namespace", "unshare", "unshare -p -f true"),
    ("change the root by pivoting", "pivot_root", "mkdir -p /tmp/a && pivot_root /tmp /tmp/a"),
    ("the kernel's memory", "cat", "head -c 1 /proc/kcore || head -c 1 /dev/mem || head -c 1 /dev/kmem"),
    ("the kernel's messages", "dmesg", "dmesg | grep -q . || head -c 1 /dev/kmsg"),
    ("the kernel's keys", "cat", "grep -q . /proc/keys"),
    ("timers of others", "cat", "grep -q . /proc/timer_list"),
    ("the firmware", "ls", "[ -n \"$(ls /sys/firmware)\" ]"),
    ("a program for crashes on the host", "sh", "echo '|/tmp/x' >/proc/sys/kernel/core_pattern"),
    (
        "a helper of the kernel",
        "sh",
        "echo /tmp/x >/proc/sys/kernel/modprobe || echo /tmp/x >/sys/kernel/uevent_helper",
    ),
    (
        "a release agent",
        "find",
        "for f in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release 2>/dev/null); do echo 1 >$f && ok=1; done; [ \"$ok\" ]",
    ),
    (
        "one's own limits",
        "find",
        "for f in $(find /sys/fs/cgroup -name 'memory.max' -o -name 'pids.max' -o -name 'memory.limit_in_bytes'); do echo max >$f && ok=1; done; [ \"$ok\" ]",
    ),
    ("kernel settings", "sysctl", "sysctl -w net.ipv4.ip_forward=1 || sysctl -w kernel.domainname=x"),
    ("restart the host", "reboot", "reboot -f || poweroff -f"),
    ("the host's swap", "swapoff", "swapoff -a && false || swapon /dev/zram0"),
    ("a loop device", "losetup", "losetup /dev/loop0 /bin/busybox"),
    ("a character device", "mknod", "mknod /tmp/mem c 1 1"),
    ("a device outside of /tmp", "mknod", "mknod /dev/shm/d b 8 0"),
    ("be preferred", "renice", "renice -n -20 $$"),
    ("be preferred on the disk", "ionice", "ionice -c 1 true"),
    ("not be killed for memory", "sh", "echo -1000 >/proc/self/oom_score_adj"),
    ("the network's interfaces", "ip", "ip link add dummy0 type dummy || ip link set lo down"),
    ("the network's routes", "ip", "ip route add default via 127.0.0.1"),
    ("an address of one's own", "ip", "ip addr add 10.0.0.1/8 dev lo"),
    ("another user", "su", "su -c true || su -s /bin/sh -c true root"),
    ("a user's password", "passwd", "echo root::0:0::/:/bin/sh >>/etc/passwd"),
    ("the root's own rights over files", "chown", "touch /tmp/a && chgrp 0 /tmp/a"),
    ("a set-uid program of one's own", "chmod", "cp /bin/busybox /tmp/s && chmod 4755 /tmp/s && /tmp/s id"),
    ("run from shared memory", "cp", "cp /bin/busybox /dev/shm/b && /dev/shm/b true"),
    ("write into the first process", "dd", "dd if=/dev/zero of=/proc/1/mem bs=1 count=1 seek=4096"),
    ("the clock", "hwclock", "hwclock -w"),
    ("a freezer", "find", "find /sys/fs/cgroup -name cgroup.freeze -writable | grep -q ."),
    ("files of the host by the first process", "ls", "r=root; [ -e /proc/1/$r/usr/sbin/dockerd ]"),
    ("devices", "ls", "[ -e /dev/sda ] || [ -e /dev/vda ] || [ -e /dev/mem ] || [ -e /dev/fuse ] || [ -e /dev/kvm ]"),
    ("the init's environment", "cat", "grep -q DOCKER /proc/1/environ"),
];

#[tokio::test]
async fn the_defaults_stop_each_attempt() {
    let Some(backend) = backend().await else { return };
    let needed: String =
        TRIES.iter().map(|(_, needs, _)| format!("which {needs} >/dev/null || echo missing {needs}; ")).collect();
    let needed = lines_of(&backend, &spec("tools", &needed)).await;
    assert!(needed.is_empty(), "an attempt that can't be made proves nothing: {needed:?}");
    let script: String = TRIES
        .iter()
        .map(|(what, _, try_it)| {
            format!("if ( {try_it} ) >/dev/null 2>&1; then echo \"DONE {what}\"; else echo no; fi\n")
        })
        .collect();
    let lines = lines_of(&backend, &spec("tries", &script)).await;
    let done: Vec<_> = lines.iter().filter(|line| *line != "no").collect();
    assert!(done.is_empty() && lines.len() == TRIES.len(), "{done:?} of {} tries", lines.len());
}

#[tokio::test]
async fn a_set_uid_program_of_the_image_gains_nothing() {
    let Some(backend) = backend().await else { return };
    // The archive of the tests' image, whose root has no password, with one more file: the same program, set-uid and root's.
    let archive = busybox().unwrap();
    let mut found = tar::Archive::new(archive.as_ref());
    let mut entries = found.entries().unwrap().map(Result::unwrap);
    let mut program = entries.find(|entry| entry.path_bytes().as_ref() == b"bin/busybox").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o4755);
    header.set_size(program.header().size().unwrap());
    // An archive ends with two empty blocks; files after them are not read.
    let mut more = tar::Builder::new(archive[..archive.len() - 1024].to_vec());
    more.append_data(&mut header, "bin/busybox-set-uid", &mut program).unwrap();
    let image = "slate-test/set-uid:1".parse().unwrap();
    backend.import_image(&image, stream::iter([more.into_inner().unwrap().into()])).await.unwrap();

    let script = "ls -l /bin/busybox-set-uid | cut -c1-10; busybox-set-uid su -c 'id -u' 2>&1 </dev/null";
    let hostile = RuntimeSpec::new(crate::common::unique("suid"), ["sh", "-c", script]).with_image(image.clone());
    assert_eq!(lines_of(&backend, &hostile).await, ["-rwsr-xr-x", "su: must be suid to work properly"]);

    // Without the hardening it would: the attempt is one.
    let Some(docker) = forged::engine() else { return };
    let id = forged::make(&docker, &image, script, Some("10001:10001"), HostConfig::default()).await;
    docker.start_container(id.as_str(), None).await.unwrap();
    backend.wait_for_exit(&id, SOON).await.unwrap();
    let loose = lines(&backend, &id, LogOptions::default()).await;
    assert_eq!(loose.last().map(String::as_str), Some("0"), "{loose:?}");
    backend.remove_if_there(&id).await.unwrap();
    Images::remove(&backend, &image).await.unwrap();
}

#[tokio::test]
async fn processes_of_the_host_are_out_of_reach() {
    let Some(backend) = backend().await else { return };
    let mine = std::process::id();
    let script = format!(
        "kill -0 {mine} 2>/dev/null && grep -q slate /proc/{mine}/cmdline && echo REACHED; \
         for p in /proc/[0-9]*; do grep -qx dockerd $p/comm && echo SEEN; done; \
         for n in pid ipc uts net mnt; do readlink /proc/self/ns/$n; done"
    );
    let lines = lines_of(&backend, &spec("processes", &script)).await;
    let host: Vec<_> = ["pid", "ipc", "uts", "net", "mnt"]
        .map(|name| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap().to_string_lossy().into_owned())
        .into();
    assert_eq!(lines.len(), host.len(), "{lines:?}");
    for (inside, outside) in lines.iter().zip(&host) {
        assert!(inside != outside && inside.contains(":["), "{inside} {outside}");
    }
}

#[tokio::test]
async fn a_line_break_in_a_value_makes_no_second_variable() {
    let Some(backend) = backend().await else { return };
    let spec = spec("env", "echo \"${EVIL-none}\"; printf %s \"$A\" | wc -l").with_env("A", "x\nEVIL=1");
    assert_eq!(lines_of(&backend, &spec).await, ["none", "1"]);
}

#[tokio::test]
async fn each_folder_of_memory_is_full_before_the_host_is() {
    let Some(backend) = backend().await else { return };
    let script = "for f in /tmp /dev/shm /dev /run /var/tmp / /home /data; do \
                  dd if=/dev/zero of=$f/fill bs=1M count=90 2>/dev/null && echo FILLED $f; rm -f $f/fill; done; echo end";
    let spec = spec("fill", script).with_memory(MemorySize::from_mib(256));
    assert_eq!(lines_of(&backend, &spec).await, ["end"]);
}

#[tokio::test]
async fn a_volume_that_the_image_declares_is_no_way_to_the_disk() {
    let Some(backend) = backend().await else { return };
    let Some(docker) = forged::engine() else { return };
    let import = CreateImageOptions {
        from_src: Some("-".into()),
        repo: Some("slate-test/volume".into()),
        tag: Some("1".into()),
        changes: vec!["VOLUME /tmp/ /data /home".into()],
        ..CreateImageOptions::default()
    };
    let archive = bollard::body_stream(stream::iter([busybox().unwrap()]));
    docker.create_image(Some(import), Some(archive), None).try_collect::<Vec<_>>().await.unwrap();
    let script = "for f in /data /home /tmp; do grep -q \" $f tmpfs\" /proc/mounts && echo memory; \
                  dd if=/dev/zero of=$f/fill bs=1M count=90 2>/dev/null && echo FILLED; rm -f $f/fill; done; echo end";
    let image = "slate-test/volume:1".parse().unwrap();
    let spec = spec("declared", script).with_image(image).with_memory(MemorySize::from_mib(256));
    assert_eq!(lines_of(&backend, &spec).await, ["memory", "memory", "memory", "end"]);
    // Where the spec mounts a volume of the realm, that is there.
    let name = crate::common::unique("declared");
    let mount = serde_json::json!({ "hostPath": name, "containerPath": "/data", "mode": "rw", "type": "volume" });
    let mut spec = spec;
    spec.name = name.clone();
    spec.mounts.push(serde_json::from_value(mount).unwrap());
    assert_eq!(lines_of(&backend, &spec).await, ["memory", "memory", "end"]);
    Volumes::remove(&backend, &name).await.unwrap();
    Images::remove(&backend, spec.image.as_ref().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_fork_bomb_stays_within_its_number() {
    let Some(backend) = backend().await else { return };
    let mark = crate::common::unique("bomb");
    let script = "echo ready; f() { f | f & }; (f) 2>/dev/null & exec sleep 600";
    let spec = spec("forks", script).with_pids(24).with_env("FORKED", &mark);
    let id = backend.run(&spec).await.unwrap();
    printed(&backend, &id, "ready").await;
    for _ in 0..20 {
        let living = crate::common::living(&format!("FORKED={mark}"));
        assert!(living <= 24, "{living} live");
        tokio::task::yield_now().await;
    }
    // The engine and the host still work.
    assert_eq!(lines_of(&backend, &crate::common::spec("beside", "echo fine")).await, ["fine"]);
    RuntimeBackend::remove(&backend, &id, RemoveOptions::default().with_force(true)).await.unwrap();
    assert_eq!(crate::common::living(&format!("FORKED={mark}")), 0);
}

#[tokio::test]
async fn a_flood_of_lines_is_bounded_on_the_disk() {
    let small = LogLimits::new(MemorySize::from_mib(1), 2);
    let Some(backend) = backend_with(options().with_log(small)).await else { return };
    let Some(docker) = forged::engine() else { return };
    let id =
        backend.run(&spec("flood", "yes 'the harbour is dark and full of lines' | head -c 60000000")).await.unwrap();
    backend.wait_for_exit(&id, SOON * 2).await.unwrap();
    let log = docker.inspect_container(id.as_str(), None).await.unwrap().log_path.unwrap();
    let log = std::path::Path::new(&log);
    if let Ok(files) = std::fs::read_dir(log.parent().unwrap()) {
        let name = log.file_name().unwrap().to_string_lossy().into_owned();
        let of_log = files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with(&name));
        let bytes: u64 = of_log.map(|file| file.metadata().unwrap().len()).sum();
        assert!((1..=3 << 20).contains(&bytes), "{bytes} bytes of log");
    }
    let tail = LogOptions::default().with_tail(Some(1));
    let last: Vec<_> = backend.logs(&id, tail).try_collect().await.unwrap();
    assert_eq!(last.len(), 1, "what is kept is read");
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test]
async fn a_memory_bomb_takes_its_own_container_alone() {
    let Some(backend) = backend().await else { return };
    let beside = backend.run(&spec("beside", "echo ready; exec sleep 600")).await.unwrap();
    printed(&backend, &beside, "ready").await;
    // By pages that are written, and by files in memory: both count.
    for script in ["x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}", "cat /dev/zero | tail"] {
        let exit = squeezed(&backend, script).await;
        assert!(exit.out_of_memory, "{script}: {exit:?}");
        assert_eq!(exit.describe(), "killed: out of memory");
    }
    let state = backend.inspect(&beside).await.unwrap().state;
    assert_eq!(state, slate_core::runtime::InstanceState::Running);
    backend.remove_if_there(&beside).await.unwrap();
    let left: Vec<_> = backend.logs(&beside, LogOptions::default()).take(1).collect().await;
    assert!(left.iter().all(Result::is_err));
    assert!(backend.exists(&image()).await.unwrap());
}
