//! Which shard of a corpus a process reads.

use std::{fmt, str::FromStr};

/// Process `index` of `count`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub index: u64,
    /// Of how many.
    pub count: u64,
}

impl Shard {
    /// Whether this process makes a part.
    pub fn makes(self, part: u64) -> bool {
        part % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// This one.
    Given(Shard),
    /// The one that the scheduler says.
    Auto,
}

impl FromStr for ShardChoice {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        if written == "auto" {
            return Ok(Self::Auto);
        }
        let (index, count) = written.split_once('/').ok_or("it is neither I/N, as in 2/8, nor auto")?;
        let number = |part: &str| part.trim().parse().map_err(|_| format!("{part:?} is not a number"));
        shard(number(index)?, number(count)?).map(Self::Given)
    }
}

fn shard(index: u64, count: u64) -> Result<Shard, String> {
    if count == 0 {
        return Err("there are no shards".to_owned());
    }
    if index >= count {
        return Err(format!("shards are counted from 0: of {count}, the last is {}", count - 1));
    }
    Ok(Shard { index, count })
}

/// What schedulers say about the place of a process: the variable of its index, that of their number, and that of the
/// first index where it need not be 0.
const SCHEDULERS: [(&str, &str, Option<&str>); 4] = [
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", Some("SLURM_ARRAY_TASK_MIN")),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", None),
    ("RANK", "WORLD_SIZE", None),
    ("SLURM_PROCID", "SLURM_NTASKS", None),
];

impl ShardChoice {
    /// The shard that was asked for; `lookup` finds variables of the environment. The array of a scheduler comes before
    /// the processes within one of its tasks.
    ///
    /// # Errors
    /// When it is to be found out and no scheduler says it, or says something that makes no sense.
    pub fn settle(self, lookup: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
        if let Self::Given(shard) = self {
            return Ok(shard);
        }
        for (index, count, first) in SCHEDULERS {
            let Some(own) = lookup(index) else { continue };
            let number = |name: &str, value: String| -> Result<u64, String> {
                value.trim().parse().map_err(|_| format!("{name} is {value:?}, not a number"))
            };
            let Some(all) = lookup(count) else {
                return Err(format!("{index} is {own} and {count} is not set: say which shard of how many"));
            };
            let from = match first.and_then(|first| Some((first, lookup(first)?))) {
                Some((first, value)) => number(first, value)?,
                None => 0,
            };
            let (own, all) = (number(index, own)?, number(count, all)?);
            let own =
                own.checked_sub(from).ok_or_else(|| format!("{index} {own} is before the first, {from}"))?;
            return shard(own, all).map_err(|error| {
                format!("{index} and {count} do not name a shard: {error} (an array has to be without gaps)")
            });
        }
        let names: Vec<&str> = SCHEDULERS.iter().map(|(index, ..)| *index).collect();
        Err(format!("no scheduler says which shard this is: none of {} is set", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(variables: &[(&str, &str)]) -> Result<String, String> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        ShardChoice::Auto.settle(lookup).map(|shard| shard.to_string())
    }

    #[test]
    fn every_part_belongs_to_one_shard() {
        for count in 1..6 {
            for part in 0..30 {
                let makers = (0..count).filter(|index| Shard { index: *index, count }.makes(part));
                assert_eq!(makers.count(), 1);
            }
        }
    }

    #[test]
    fn what_is_written_is_counted_from_zero() {
        let settled = |written: &str| {
            written.parse::<ShardChoice>().and_then(|choice| choice.settle(|_| None)).map(|s| s.to_string())
        };
        assert_eq!(settled("2/8"), Ok("2/8".to_owned()));
        for wrong in ["8/8", "1/0", "-1/2", "1", "1/2/3", "a/2", ""] {
            assert!(settled(wrong).is_err(), "{wrong}");
        }
        assert!(settled("8/8").unwrap_err().contains("the last is 7"));
    }

    #[test]
    fn schedulers_say_it_in_their_own_ways() {
        let slurm =
            [("SLURM_ARRAY_TASK_ID", "4"), ("SLURM_ARRAY_TASK_COUNT", "8"), ("SLURM_ARRAY_TASK_MIN", "1")];
        assert_eq!(settled(&slurm), Ok("3/8".to_owned()));
        assert_eq!(settled(&slurm[..2]), Ok("4/8".to_owned()));
        assert_eq!(settled(&[("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "3")]), Ok("0/3".to_owned()));
        assert_eq!(settled(&[("RANK", "1"), ("WORLD_SIZE", "2")]), Ok("1/2".to_owned()));
        assert_eq!(settled(&[("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2")]), Ok("1/2".to_owned()));
        // An array comes before what runs within one of its tasks.
        let both = [slurm[0], slurm[1], slurm[2], ("RANK", "0"), ("WORLD_SIZE", "2")];
        assert_eq!(settled(&both), Ok("3/8".to_owned()));
        for (variables, said) in [
            (&[][..], "no scheduler says"),
            (&[("RANK", "1")], "WORLD_SIZE is not set"),
            (&[("RANK", "x"), ("WORLD_SIZE", "2")], "RANK is \"x\""),
            (&[("SLURM_ARRAY_TASK_ID", "9"), ("SLURM_ARRAY_TASK_COUNT", "2")], "without gaps"),
        ] {
            let error = settled(variables).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
