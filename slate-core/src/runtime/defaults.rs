use super::{Cpus, Gpu, MemorySize, RuntimeSpec};
use crate::wire::wire_enum;

wire_enum! {
    /// What a session runs.
    RuntimeType {
        /// Unity.
        Unity = "unity",
        /// Unreal Engine.
        Unreal = "unreal",
        /// Godot.
        Godot = "godot",
        /// Anything else.
        Custom = "custom",
    }
}

impl RuntimeType {
    /// The default spec of this engine, as seed 000 has it: Unity 4 GiB, 2 cores, GPU; Unreal 8 GiB, 4 cores, GPU; Godot
    /// 2 GiB, 2 cores, GPU optional (none asked); custom 2 GiB, 2 cores, none.
    pub fn default_spec(self, name: impl Into<String>) -> RuntimeSpec {
        let (memory, cpus, gpu) = match self {
            Self::Unity => (4, 2, Gpu::Shared),
            Self::Unreal => (8, 4, Gpu::Shared),
            Self::Godot | Self::Custom => (2, 2, Gpu::None),
        };
        let mut spec = RuntimeSpec::new(name, Vec::<String>::new())
            .with_memory(MemorySize::from_gib(memory))
            .with_cpus(Cpus::cores(cpus));
        spec.gpu = gpu;
        // `slate/custom-runtime` doesn't exist: what a custom runtime runs from is the caller's to say.
        if self != Self::Custom {
            spec.image = format!("slate/{self}-runtime:latest").parse().ok();
        }
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_have_the_seed_defaults() {
        let unreal = RuntimeType::Unreal.default_spec("u");
        assert_eq!((unreal.memory, unreal.cpus), (Some(MemorySize::from_gib(8)), Some(Cpus::cores(4))));
        assert_eq!(unreal.gpu, Gpu::Shared);
        let unity = RuntimeType::Unity.default_spec("u");
        assert_eq!(unity.image.unwrap().to_string(), "slate/unity-runtime:latest");
        assert_eq!(RuntimeType::Godot.default_spec("g").gpu, Gpu::None);
    }
}
