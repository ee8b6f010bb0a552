//! Where the log goes: readable on a terminal, with priorities under systemd, as JSON on request.

use super::config::{Log, LogFormat};
use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

/// The process's log, whose level and form a reload may change.
pub(crate) struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Filtered>,
}

/// Installs the log for the whole process.
pub(crate) fn install(log: &Log) -> Logging {
    let (filter, filter_handle) = reload::Layer::new(filter_of(log));
    let (lines, lines_handle) = reload::Layer::new(lines_of(log.format));
    // Who embeds the daemon may have a log already, which is then the one.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Logging { filter: filter_handle, lines: lines_handle }
}

/// What `RUST_LOG` and `log.level` may say.
///
/// # Errors
/// Says what is not understood.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(level).map_err(|error| error.to_string())
}

impl Logging {
    pub(crate) fn obey(&self, log: &Log) {
        // They fail where this log was not installed, so that nobody sees its lines.
        let _ = self.filter.reload(filter_of(log));
        let _ = self.lines.reload(lines_of(log.format));
    }
}

/// `RUST_LOG` goes before the configuration.
fn filter_of(log: &Log) -> EnvFilter {
    let level = log.level.as_deref().unwrap_or("info");
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level))
}

fn lines_of(format: LogFormat) -> Lines {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let under_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    match format {
        LogFormat::Json => layer.json().boxed(),
        LogFormat::Text if under_journal => layer.with_ansi(false).event_format(Journal).boxed(),
        LogFormat::Text => {
            let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
            layer.with_target(false).with_ansi(color).boxed()
        }
    }
}

/// `<4>message field=value`: journald reads the priority, and stamps the time itself
/// (`sd-daemon(3)`).
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(to, "<{priority}>")?;
        context.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}
