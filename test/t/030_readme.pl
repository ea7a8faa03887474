# The README is true: its SQL runs from top to bottom, in one session, and
# prints what the README says.
#
# A block fenced by ```sql is run.  A block that follows it at once, fenced by
# ``` alone, is what psql prints, NOTICEs included; blanks do not count.  A block
# fenced by ```sql no-run is for the reader only.

use strict;
use warnings;

use IPC::Run;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('readme');
my @blocks = blocks_of('README.md');
my @printed = run_blocks(@blocks);

cmp_ok(scalar(@blocks), '>', 20, 'the README has SQL in it');
foreach my $block (@blocks)
{
	my $printed = shift @printed;
	my $what = "SQL at line $block->{line} of README.md";

	if (!defined $printed)
	{
		fail("$what is reached");
	}
	elsif ($printed =~ /^(?:ERROR|FATAL|PANIC|psql):/m)
	{
		fail("$what runs");
		diag($printed);
	}
	elsif (defined $block->{output})
	{
		is(squeezed($printed), squeezed($block->{output}), "$what prints what is said");
	}
	else
	{
		is(squeezed($printed), '', "$what prints nothing that is not said");
	}
}

$node->stop;
done_testing();

# The blocks of SQL that are to be run: line, sql, and output if it is given.
sub blocks_of
{
	my ($file) = @_;
	my ($fence, $text, $start, $after, @blocks);
	my $line = 0;

	foreach (split /^/, slurp_file($file))
	{
		$line++;
		if (defined $fence)
		{
			if ($_ ne "```\n")
			{
				$text .= $_;
				next;
			}
			if ($fence eq 'sql')
			{
				push @blocks, { line => $start, sql => $text };
				$after = $line;
			}
			elsif ($fence eq '' && defined $after && $start == $after + 1)
			{
				$blocks[-1]->{output} = $text;
			}
			undef $fence;
		}
		elsif (/^```(.*)\n/)
		{
			($fence, $text, $start) = ($1, '', $line);
		}
	}
	return @blocks;
}

# What each block prints; fewer than there are blocks if one of them fails.
sub run_blocks
{
	my @blocks = @_;
	my $mark = '@@@ next block';
	my $script = join '', map { "\\echo '$mark'\n$_->{sql}" } @blocks;
	my $output = '';
	my @printed;

	$node->safe_psql('postgres', 'CREATE DATABASE readme');
	IPC::Run::run(
		[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-P', 'pager=off', '-d', $node->connstr('readme') ],
		'<', \$script, '>&', \$output);
	(undef, @printed) = split /^\Q$mark\E\n/m, $output;
	return @printed;
}

# Runs of blanks, and of the dashes under a heading, are as wide as it takes.
sub squeezed
{
	my ($text) = @_;

	$text =~ s/-{2,}/--/g;
	$text =~ s/\s+/ /g;
	$text =~ s/^ | $//g;
	return $text;
}
