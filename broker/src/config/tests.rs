//! Stories of configurations: who wins, what is refused, and what is never shown.

use std::io::Write;
use std::path::Path;

use super::*;
use tandem_model::network::Country;

const MASTER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn sources() -> Sources {
    let mut sources = Sources::default();
    sources.variables.insert("HOME".into(), "/home/ada".into());
    sources
}

fn with_variables(variables: &[(&str, &str)]) -> Sources {
    let mut sources = sources();
    for (name, value) in variables {
        sources.variables.insert((*name).into(), (*value).into());
    }
    sources
}

fn with_file(text: &str) -> (Sources, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut sources = sources();
    sources.file = Some(file.path().to_owned());
    (sources, file)
}

fn problems(sources: &Sources) -> Vec<Problem> {
    match load(sources) {
        Err(ConfigError::Problems(problems)) => problems,
        other => panic!("no problems but {other:?}"),
    }
}

#[test]
fn the_defaults_alone_are_a_whole_configuration_without_a_live_network() {
    let config = load(&sources()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, Path::new("/home/ada/.local/share/tandem"));
    let key = Path::new("/home/ada/.config/tandem/master.key");
    assert_eq!(config.master_key, MasterKeySource::File(key.into()));
    assert!(config.ionet.is_none() && config.aethir.is_none());
    assert!(config.checkpoint_store.is_none());
    assert!(config.telemetry.otlp_endpoint.is_none());
    assert_eq!(config.jurisdiction, Rules::default());
    assert_eq!(config.denials_kept.as_secs(), 400 * 86_400);
}

#[test]
fn the_users_folders_may_be_elsewhere() {
    let config = load(&with_variables(&[
        ("XDG_DATA_HOME", "/data"),
        ("XDG_CONFIG_HOME", "relative/is/passed/over"),
    ]))
    .unwrap();
    assert_eq!(config.data_dir, Path::new("/data/tandem"));
    let key = Path::new("/home/ada/.config/tandem/master.key");
    assert_eq!(config.master_key, MasterKeySource::File(key.into()));
}

#[test]
fn a_file_wins_over_defaults_a_variable_over_a_file_and_a_flag_over_all() {
    let (mut sources, _file) = with_file(
        "listen = \"127.0.0.1:1\"\n[market]\nrefresh_seconds = 11\n\
         [limits]\nburst = 500\n",
    );
    for (name, value) in [
        ("TANDEM__LISTEN", "127.0.0.1:2"),
        ("TANDEM__MARKET__REFRESH_SECONDS", "12"),
    ] {
        sources.variables.insert(name.into(), value.into());
    }
    sources.flag("--listen", "listen", Some("127.0.0.1:3".into()));
    sources.flag("--data-dir", "data_dir", None);
    let config = load(&sources).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.market_refresh, Duration::from_secs(12));
    assert_eq!(config.limits.burst.get(), 500);
    let layers = Layers::read(&sources).unwrap();
    assert_eq!(layers.origin("listen"), "--listen");
    assert_eq!(
        layers.origin("market.refresh_seconds"),
        "TANDEM__MARKET__REFRESH_SECONDS"
    );
    let file = sources.file.unwrap().display().to_string();
    assert_eq!(layers.origin("limits.burst"), file);
}

#[test]
fn every_wrong_value_names_its_key_and_its_variable_and_all_are_named_at_once() {
    let wrong = [
        ("TANDEM__LISTEN", "localhost"),
        ("TANDEM__PUBLIC_URL", "ftp://x"),
        ("TANDEM__MASTER_KEY", "hunter2"),
        ("TANDEM__NETWORKS__IONET__URL", "http://api.io.solutions"),
        ("TANDEM__NETWORKS__IONET__VM_PRICE_UNIT", "hour"),
        ("TANDEM__NETWORKS__AETHIR__URL", "https://u:hunter2@x"),
        ("TANDEM__CHECKPOINT_STORE__URL", "ftp://bucket"),
        ("TANDEM__CHECKPOINT_STORE__ENDPOINT", "http://minio:9000"),
        ("TANDEM__CHECKPOINT_STORE__ALLOW_HTTP", "perhaps"),
        ("TANDEM__MARKET__REFRESH_SECONDS", "0"),
        ("TANDEM__LIMITS__REQUESTS_PER_SECOND", "many"),
        ("TANDEM__JURISDICTION__DENIED_ALSO", "UK"),
        ("TANDEM__JURISDICTION__LICENSED", "CU, Iran"),
        ("TANDEM__JURISDICTION__REGION_NEEDED", "often"),
        ("TANDEM__JURISDICTION__CUSTOMER_COUNTRY_REQUIRED", "DE"),
        ("TANDEM__JURISDICTION__DATA__EEA_AND_ADEQUATE", "EU"),
        ("TANDEM__JURISDICTION__DATA__PLACES_ALSO", "ZZ"),
        ("TANDEM__DENIALS__KEPT_DAYS", "0"),
        ("TANDEM__TELEMETRY__LOG_FORMAT", "xml"),
        ("TANDEM__TELEMETRY__LOG_FILTER", "a=b=c"),
        ("TANDEM__TELEMETRY__OTLP_ENDPOINT", "collector"),
    ];
    let found = problems(&with_variables(&wrong));
    for (name, _) in wrong {
        let key = name[VARIABLE_PREFIX.len()..]
            .to_ascii_lowercase()
            .replace("__", ".");
        let problem = found.iter().find(|p| p.key == key);
        assert_eq!(problem.map(|p| p.origin.as_str()), Some(name), "{found:?}");
    }
    let shown = ConfigError::Problems(found).to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn unknown_keys_are_refused_wherever_they_stand_and_the_likely_one_is_named() {
    let (file, _kept) = with_file("[market]\nrefresh_second = 5\n");
    let found = problems(&file);
    assert_eq!(found[0].key, "market.refresh_second");
    assert!(
        found[0].text.contains("`market.refresh_seconds`"),
        "{found:?}"
    );
    let found = problems(&with_variables(&[("TANDEM__IONET__API_KEY", "hunter2")]));
    assert_eq!(found[0].origin, "TANDEM__IONET__API_KEY");
    assert!(
        found[0].text.contains("`networks.ionet.api_key`"),
        "{found:?}"
    );
    let found = problems(&with_variables(&[("TANDEM__COLOUR", "red")]));
    assert!(found[0].text.contains("config show --default"), "{found:?}");
    let (section, _kept) = with_file("market = 3\n");
    assert_eq!(problems(&section)[0].key, "market");
}

#[test]
fn a_file_that_is_no_toml_or_is_not_there_is_named() {
    let (sources, file) = with_file("listen = \n");
    let path = file.path().display().to_string();
    let error = load(&sources).unwrap_err();
    assert!(matches!(&error, ConfigError::Syntax { path: p, .. } if *p == path));
    let mut missing = self::sources();
    missing.file = Some("/nonexistent/tandem.toml".into());
    let error = load(&missing).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/tandem.toml"), "{error}");
}

#[test]
fn the_master_key_must_not_lie_in_the_data_folder_however_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&data, &link).unwrap();
    for key in [
        data.join("master.key"),
        data.join("deep/master.key"),
        link.join("master.key"),
        folder.path().join("other/../data/master.key"),
    ] {
        let mut sources = sources();
        std::fs::create_dir_all(folder.path().join("other")).unwrap();
        sources.flag("--data-dir", "data_dir", Some(data.display().to_string()));
        let name = "TANDEM__MASTER_KEY_FILE";
        let text = key.display().to_string();
        sources.variables.insert(name.into(), text);
        let found = problems(&sources);
        assert_eq!(found[0].key, "master_key_file", "{}", key.display());
        assert_eq!(found[0].origin, name);
    }
}

#[test]
fn live_networks_need_all_their_keys_and_a_public_https_url() {
    let found = problems(&with_variables(&[(
        "TANDEM__NETWORKS__IONET__API_KEY",
        "hunter2",
    )]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, "public_url");
    let found = problems(&with_variables(&[(
        "TANDEM__NETWORKS__AETHIR__URL",
        "https://aethir.example.com",
    )]));
    let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(
        keys,
        ["networks.aethir.access_key", "networks.aethir.secret_key"]
    );
    let whole = load(&with_variables(&[
        ("TANDEM__PUBLIC_URL", "https://gpu.example.com/"),
        ("TANDEM__NETWORKS__IONET__API_KEY", "hunter2"),
    ]));
    let config = whole.unwrap();
    assert_eq!(
        config.public_url.as_deref(),
        Some("https://gpu.example.com")
    );
    assert!(config.ionet.is_some());
}

#[test]
fn rules_about_places_are_read_from_a_file_and_from_variables() {
    let (mut sources, _file) = with_file(
        "[jurisdiction]\ndenied_also = [\"CN\", \"fr\"]\nlicensed = [\"CU\"]\n\
         customer_country_required = true\n\
         [jurisdiction.data]\npersonal_needs_datacenter = true\n[denials]\nkept_days = 30\n",
    );
    let variables = [
        ("TANDEM__JURISDICTION__LICENSED", "IR,SY BY"),
        ("TANDEM__JURISDICTION__DATA__PLACES_ALSO", "us"),
    ];
    for (name, value) in variables {
        sources.variables.insert(name.into(), value.into());
    }
    let config = load(&sources).unwrap();
    let codes =
        |countries: &[Country]| countries.iter().map(Country::to_string).collect::<Vec<_>>();
    let rules = &config.jurisdiction;
    assert_eq!(codes(&rules.denied_also), ["CN", "FR"]);
    assert_eq!(codes(&rules.licensed), ["IR", "SY", "BY"]);
    assert_eq!(codes(&rules.data.places_also), ["US"]);
    assert!(rules.customer_country_required && rules.region_needed);
    assert!(rules.data.personal_needs_datacenter && rules.data.eea_and_adequate);
    assert_eq!(rules.export, Rules::default().export);
    assert_eq!(config.denials_kept.as_secs(), 30 * 86_400);
    let shown = show(&Layers::read(&sources).unwrap());
    assert!(
        shown.contains("denied_also = [\"CN\",\"fr\"] # from"),
        "{shown}"
    );
    let (again, _kept) = with_file(&shown);
    assert_eq!(load(&again).unwrap().jurisdiction, config.jurisdiction);
}

#[test]
fn a_country_that_does_not_exist_is_refused_with_its_code() {
    for (text, wrong) in [
        ("denied_also = [\"DE\", \"ZZ\"]", "`ZZ`"),
        ("denied_also = [\"Iran\"]", "`Iran`"),
        ("denied_also = 7", "list of countries"),
        ("denied_also = [[\"DE\"]]", "list of countries"),
    ] {
        let (sources, _file) = with_file(&format!("[jurisdiction]\n{text}\n"));
        let found = problems(&sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].key, "jurisdiction.denied_also");
        assert!(found[0].text.contains(wrong), "{found:?}");
    }
}

#[test]
fn half_of_a_pair_of_checkpoint_keys_is_refused() {
    let found = problems(&with_variables(&[
        ("TANDEM__CHECKPOINT_STORE__URL", "s3://bucket/tandem"),
        ("TANDEM__CHECKPOINT_STORE__ACCESS_KEY_ID", "ak"),
    ]));
    assert_eq!(found[0].key, "checkpoint_store.secret_access_key");
}

#[test]
fn neither_showing_nor_debugging_a_configuration_tells_a_secret() {
    let sources = with_variables(&[
        ("TANDEM__MASTER_KEY", MASTER),
        ("TANDEM__PUBLIC_URL", "https://gpu.example.com"),
        ("TANDEM__NETWORKS__IONET__API_KEY", "hunter2"),
        ("TANDEM__NETWORKS__AETHIR__URL", "https://a.example.com"),
        ("TANDEM__NETWORKS__AETHIR__ACCESS_KEY", "ak"),
        ("TANDEM__NETWORKS__AETHIR__SECRET_KEY", "hunter2"),
        ("TANDEM__CHECKPOINT_STORE__URL", "s3://b"),
        ("TANDEM__CHECKPOINT_STORE__ACCESS_KEY_ID", "ak"),
        ("TANDEM__CHECKPOINT_STORE__SECRET_ACCESS_KEY", "hunter2"),
    ]);
    let layers = Layers::read(&sources).unwrap();
    let config = load(&sources).unwrap();
    let shown = format!("{} {} {config:?}", show(&layers), show_json(&layers));
    for secret in ["hunter2", MASTER] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("api_key = \"[secret]\" # from TANDEM__NETWORKS__IONET__API_KEY"));
}

#[test]
fn what_is_shown_is_itself_a_configuration() {
    let (mut sources, _file) = with_file("data_dir = 'C:\\odd \"name\"'\n");
    let shown = show(&Layers::read(&sources).unwrap());
    let (again, _kept) = with_file(&shown);
    sources.file = again.file;
    let config = load(&sources).unwrap();
    assert_eq!(config.data_dir, Path::new("C:\\odd \"name\""));
}

#[test]
fn the_commented_defaults_explain_every_key() {
    let mut explained = false;
    for line in DEFAULTS.lines() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_key || explained, "`{line}` has no comment above it");
        explained = line.starts_with('#') || (is_key && explained);
    }
}

#[test]
fn the_table_for_operators_names_every_key() {
    let page = include_str!("../../../docs/operating.md");
    let layers = Layers::read(&sources()).unwrap();
    for key in layers.keys() {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let in_group = |line: &str| {
            line.contains(&format!("`{section}.")) && line.contains(&format!("`.{name}`"))
        };
        let named = page
            .lines()
            .any(|l| l.contains(&format!("`{key}`")) || in_group(l));
        assert!(named, "docs/operating.md does not name {key}");
    }
}

#[test]
fn prices_of_tokens_need_the_moment_at_which_they_were_taken() {
    let (sources, _file) =
        with_file("[tokens]\nio_nano_usd = 150000000\nrates_at = \"2026-08-21T09:30:00Z\"\n");
    let rates = load(&sources).unwrap().token_rates;
    assert_eq!(rates.len(), 1);
    assert_eq!(rates[0].nano_usd_per_token, 150_000_000);
    assert_eq!(rates[0].at.micros(), 1_787_304_600_000_000);
    for text in ["io_nano_usd = 1", "io_nano_usd = 1\nrates_at = \"soon\""] {
        let (sources, _file) = with_file(&format!("[tokens]\n{text}\n"));
        assert_eq!(problems(&sources)[0].key, "tokens.rates_at");
    }
}

#[test]
fn probes_are_on_and_every_wrong_key_of_theirs_is_named() {
    use crate::engine::probe::{OnCouldNotRun, ProbeTerms};

    let probe = load(&sources()).unwrap().probe;
    let expected = ProbeTerms {
        at_start: true,
        while_running_per_day: 2,
        ..ProbeTerms::OFF
    };
    assert_eq!(probe.terms(1), expected);
    assert_eq!(probe.policy(false).thresholds.continuity_days, 7);
    assert_eq!(probe.terms(10).within, ProbeTerms::OFF.within * 10);
    assert!(probe.policy(true).accepts_emulated && !probe.policy(false).accepts_emulated);
    let (of_file, _file) = with_file(
        "[probe]\nat_start = false\ncould_not_run = \"leave\"\npass_permille = 900\n\
         fail_permille = 900\nexchange_seconds = 60\n",
    );
    let probe = load(&of_file).unwrap().probe;
    assert!(!probe.at_start && probe.on_could_not_run == OnCouldNotRun::Leave);
    let policy = probe.policy(false);
    assert_eq!(policy.thresholds.pass_permille, 900);
    assert_eq!(policy.sizing.session_ms_max, 60_000);
    for (text, key) in [
        ("at_start = \"often\"", "probe.at_start"),
        ("could_not_run = \"pray\"", "probe.could_not_run"),
        ("fails_of_offer = 0", "probe.fails_of_offer"),
        ("ban_after_fails = 0", "probe.ban_after_fails"),
        ("grade_failed_permille = 0", "probe.grade_failed_permille"),
        ("pass_permille = 1001", "probe.pass_permille"),
        ("fail_permille = 851", "probe.fail_permille"),
        ("exchange_seconds = 29", "probe.exchange_seconds"),
        ("while_running_per_day = 5", "probe.while_running_per_day"),
        ("continuity_days = 0", "probe.continuity_days"),
    ] {
        let (sources, _file) = with_file(&format!("[probe]\n{text}\n"));
        assert_eq!(problems(&sources)[0].key, key, "{text}");
    }
}
