# shellcheck shell=bash disable=SC2034,SC2154
# completion.bash - of the programs' options, commands and words, for bash.
#
# All of it comes from their own --help.
_lts_supervisor()
{
	local cur prev words cword help
	_init_completion -s || return
	help=$("$1" --help 2>/dev/null)
	case $prev in
	--config | --ca[_-]file | --log[_-]file | --credentials[_-]file | --replay[_-]deadletter | --metrics[_-]file) _filedir ;;
	--state[_-]dir | --deadletter[_-]dir) _filedir -d ;;
	--sink) mapfile -t COMPREPLY < <(compgen -W 'stdout null file: plugin: exec: batch:' -- "$cur") ;;
	--*)
		local list
		list=$(tr '\n' ' ' <<<"$help" | grep -oE -- "--${prev#--} [^)]*one of [^)]*" | sed 's/.*one of//; s/,//g')
		mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
		;;
	esac
	[[ ${#COMPREPLY[@]} -eq 0 && $cur == -* ]] || return 0
	mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^  --[a-z_]+' <<<"$help")" -- "$cur")
} && complete -F _lts_supervisor lts-supervisor

_lts_state()
{
	local cur prev words cword
	_init_completion -s || return
	if [[ $prev == --state[_-]dir ]]; then
		_filedir -d
	elif [[ $prev == @(backup|restore) ]]; then
		_filedir
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --help | grep -oE -- '--[a-z_]+')" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')" -- "$cur")
	fi
} && complete -F _lts_state lts-state
