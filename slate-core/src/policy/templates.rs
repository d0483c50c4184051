use crate::{
    Timestamp, UserId,
    model::{Template, TemplateCategory},
    runtime::{MemorySize, RuntimeSpec},
};

/// Name, description, category, image, MiB of memory, tags.
type Row = (&'static str, &'static str, TemplateCategory, &'static str, u64, &'static [&'static str]);

/// The built-in templates of seed 002, public, made by `owner` at `now`: Node.js 18, Python 3.11, Ubuntu 22.04,
/// PostgreSQL 15, Redis 7, Nginx.
pub fn builtin_templates(owner: &UserId, now: Timestamp) -> Vec<Template> {
    use TemplateCategory::{Database, Runtime, Static, System};
    const TABLE: [Row; 6] = [
        ("Node.js 18", "JavaScript and TypeScript", Runtime, "node:18-alpine", 512, &["javascript", "typescript"]),
        ("Python 3.11", "Python with pip", Runtime, "python:3.11-slim", 512, &["python"]),
        ("Ubuntu 22.04", "General purpose Linux", System, "ubuntu:22.04", 1024, &["linux"]),
        ("PostgreSQL 15", "SQL database server", Database, "postgres:15-alpine", 512, &["sql"]),
        ("Redis 7", "In-memory key-value store", Database, "redis:7-alpine", 256, &["cache"]),
        ("Nginx", "Static file server", Static, "nginx:alpine", 128, &["http"]),
    ];
    let make = |(name, description, category, image, mib, tags): Row| {
        let slug = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let slug: String = name.chars().map(slug).collect();
        let mut spec = RuntimeSpec::new(slug, Vec::<String>::new()).with_memory(MemorySize::from_mib(mib));
        spec.image = image.parse().ok();
        let mut template = Template::new(name, category, spec, owner.clone(), now);
        template.description = description.into();
        template.tags = tags.iter().map(|tag| (*tag).into()).collect();
        template.is_public = true;
        template
    };
    TABLE.into_iter().map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_template_is_sound() {
        let templates = builtin_templates(&UserId::new("slate").unwrap(), Timestamp::EPOCH);
        assert_eq!(templates.len(), 6);
        for template in templates {
            template.config.validate().unwrap();
            assert!(template.config.image.is_some() && template.is_public);
        }
    }
}
